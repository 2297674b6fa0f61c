# ./dev grafana: write deploy/grafana/dashboards from boards.py.

cmd_grafana() { PYTHONDONTWRITEBYTECODE=1 "$(python_env grafana-python)" deploy/grafana/generate.py "$@"; }

"""An authority of a test's own, and what it signs, by the openssl program."""
import pathlib
import ssl
import subprocess


class Authority:
    def __init__(self, folder, name="Test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.cert = self.folder / "ca.key", self.folder / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", self.key, "-out", self.cert)

    @staticmethod
    def openssl(*arguments, text=None):
        run = subprocess.run(["openssl", *map(str, arguments)], input=text, text=True, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def sign(self, name, subject, alternatives="DNS:localhost,IP:127.0.0.1", days=2, kind="rsa:2048"):
        """-> (certificate, key), as paths."""
        key, cert, request = (self.folder / f"{name}.{end}" for end in ("key", "pem", "csr"))
        more = ("-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ()
        self.openssl("req", "-newkey", kind, *more, "-nodes", "-subj", subject, "-keyout", key, "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\n")
        self.openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                     "-days", days, "-extfile", extensions, "-out", cert)
        return cert, key

    def client_context(self, identity=None, **attributes):
        """What a client needs that trusts this authority; `identity`: the (certificate, key) that it shows."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if identity:
            context.load_cert_chain(*identity)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

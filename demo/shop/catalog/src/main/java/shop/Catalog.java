package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Scope;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import redis.clients.jedis.JedisPooled;

/** The shop's catalog: product pages, search, what is featured. */
public final class Catalog {
    private interface Route {
        String answer(String path, Map<String, String> query) throws Exception;
    }

    private static final int THREADS = 192;
    private static final int REDIS_TIMEOUT_MS = 300;
    private static final Pattern DEPTH = Pattern.compile("\"search_depth\"\\s*:\\s*(\\d+)");
    private final Knobs knobs;
    private final Products products;
    private final Search search;

    private Catalog() throws Exception {
        String url = System.getenv("DATABASE_URL");
        Pool pages = new Pool(url, 4);
        Products.createTable(pages);
        int port = Integer.parseInt(System.getenv("REDIS_CACHE_PORT"));
        products = new Products(pages, new JedisPooled(
                new redis.clients.jedis.HostAndPort("127.0.0.1", port),
                redis.clients.jedis.DefaultJedisClientConfig.builder().timeoutMillis(REDIS_TIMEOUT_MS).build()));
        search = new Search(new Pool(url, 8), new Pool(url, 2));
        knobs = new Knobs(System.getenv("OFREP_ENDPOINT"), System.getenv("SHOP_INSTANCE"));
        knobs.watchText("catalog.cache_mode", "redis", value -> products.mode = value);
        knobs.watchInteger("catalog.cache_ttl_s", 30, value -> products.ttlSeconds = value);
        knobs.watchText("log.level", "info", Telemetry::setLevel);
        knobs.start();
    }

    public static void main(String[] arguments) throws Exception {
        Catalog catalog = new Catalog();
        int port = Integer.parseInt(System.getenv("SHOP_PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 512);
        ThreadPoolExecutor threads = new ThreadPoolExecutor(THREADS, THREADS, 10, TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(2048));
        threads.allowCoreThreadTimeOut(true);
        server.setExecutor(threads);
        server.createContext("/products/", x -> catalog.handle(x, "GET /products/{id}", catalog::product));
        server.createContext("/search", x -> catalog.handle(x, "GET /search", catalog::find));
        server.createContext("/featured", x -> catalog.handle(x, "GET /featured", (p, q) -> "[1,2,3,5,8]"));
        server.createContext("/evaluations", x -> send(x, 200, catalog.knobs.evaluations()));
        server.createContext("/healthz", x -> send(x, 200, "{}"));
        server.createContext("/fault", catalog::fault);
        server.start();
    }

    private String product(String path, Map<String, String> query) throws Exception {
        return products.page(Math.floorMod(Integer.parseInt(path.substring("/products/".length())), Products.COUNT));
    }

    private String find(String path, Map<String, String> query) throws Exception {
        String user = query.getOrDefault("user", "");
        boolean full = knobs.textFor("search.mode", "full", user).equals("full");
        return search.find(query.getOrDefault("q", ""), full);
    }

    /** What a deployment of a bad configuration file does: the ranking depth changes. 0 gives the default back. */
    private void fault(HttpExchange exchange) throws java.io.IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        Matcher found = DEPTH.matcher(body);
        if (found.find()) {
            int depth = Integer.parseInt(found.group(1));
            search.depth = depth == 0 ? Search.DEPTH_DEFAULT : depth;
            Telemetry.log(Severity.INFO, "configuration loaded: ranking depth " + search.depth);
        }
        send(exchange, 200, "{\"search_depth\":" + search.depth + "}");
    }

    private void handle(HttpExchange exchange, String name, Route route) throws java.io.IOException {
        Span span = Telemetry.serverSpan(name, exchange);
        try (Scope ignored = span.makeCurrent()) {
            knobs.recordInstance(span);
            int status = answer(exchange, route);
            span.setAttribute("http.response.status_code", status);
            if (status >= 500) {
                span.setStatus(StatusCode.ERROR);
                span.setAttribute("error.type", String.valueOf(status));
            }
        } finally {
            span.end();
        }
    }

    private int answer(HttpExchange exchange, Route route) throws java.io.IOException {
        try {
            Map<String, String> query = parse(exchange.getRequestURI().getRawQuery());
            String body = route.answer(exchange.getRequestURI().getPath(), query);
            return send(exchange, 200, body);
        } catch (Exception problem) {
            Telemetry.log(Severity.ERROR, "request failed: " + problem.getMessage());
            return send(exchange, 503, "{\"error\":\"unavailable\"}");
        }
    }

    private static Map<String, String> parse(String query) {
        Map<String, String> found = new HashMap<>();
        for (String pair : query == null ? new String[0] : query.split("&")) {
            int at = pair.indexOf('=');
            if (at > 0) {
                found.put(pair.substring(0, at), URLDecoder.decode(pair.substring(at + 1), StandardCharsets.UTF_8));
            }
        }
        return found;
    }

    private static int send(HttpExchange exchange, int status, String body) throws java.io.IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(bytes);
        }
        return status;
    }
}

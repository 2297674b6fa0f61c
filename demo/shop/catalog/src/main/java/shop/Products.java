package shop;

import io.opentelemetry.api.logs.Severity;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.params.SetParams;

/**
 * Product pages: from a cache (Redis, or this process), else from PostgreSQL, where one page costs 150 ms (pg_sleep
 * stands for a join over prices, stock and reviews) and four can be built at once.
 */
final class Products {
    static final int COUNT = 200;
    private static final double PAGE_SECONDS = 0.15;
    private static final int LOCAL_ENTRIES_MAX = 2 * COUNT;

    private record Entry(String page, long until) {}

    private final Pool pool;
    private final JedisPooled redis;
    private final Map<Integer, Entry> local = new ConcurrentHashMap<>();
    private final Map<Integer, CompletableFuture<String>> loading = new ConcurrentHashMap<>();
    volatile String mode = "redis";
    volatile int ttlSeconds = 30;

    Products(Pool pool, JedisPooled redis) {
        this.pool = pool;
        this.redis = redis;
    }

    static void createTable(Pool pool) throws Exception {
        pool.use(connection -> {
            try (Statement s = connection.createStatement()) {
                s.execute("CREATE TABLE IF NOT EXISTS products (id INT PRIMARY KEY, name TEXT, price INT)");
                s.execute("INSERT INTO products SELECT i, 'product ' || i, 5 + i % 90 FROM generate_series(0, "
                        + (COUNT - 1) + ") i ON CONFLICT DO NOTHING");
                return s.execute("CREATE INDEX IF NOT EXISTS products_name ON products (name text_pattern_ops)");
            }
        });
    }

    String page(int id) throws Exception {
        String cached = lookUp(id);
        if (cached != null) {
            return cached;
        }
        String page = loadOnce(id);
        remember(id, page);
        return page;
    }

    private String lookUp(int id) {
        if (mode.equals("local")) {
            Entry entry = local.get(id);
            return entry != null && entry.until > System.nanoTime() ? entry.page : null;
        }
        if (!mode.equals("redis")) {
            return null;
        }
        try {
            return Telemetry.client("GET product", "redis-cache", "redis", () -> redis.get("product:" + id));
        } catch (Exception problem) {
            Telemetry.log(Severity.WARN, "cache does not answer: " + problem.getClass().getSimpleName());
            return null;
        }
    }

    private void remember(int id, String page) {
        if (mode.equals("local") && local.size() < LOCAL_ENTRIES_MAX) {
            local.put(id, new Entry(page, System.nanoTime() + ttlSeconds * 1_000_000_000L));
        }
        if (mode.equals("redis")) {
            try {
                Telemetry.client("SET product", "redis-cache", "redis",
                        () -> redis.set("product:" + id, page, SetParams.setParams().ex(Math.max(ttlSeconds, 1))));
            } catch (Exception problem) {
                Telemetry.log(Severity.DEBUG, "cache not written: " + problem.getClass().getSimpleName());
            }
        }
    }

    /** Several requests for one missing page wait for the same query. */
    private String loadOnce(int id) throws Exception {
        CompletableFuture<String> mine = new CompletableFuture<>();
        CompletableFuture<String> other = loading.putIfAbsent(id, mine);
        if (other != null) {
            try {
                return other.get();
            } catch (ExecutionException problem) {
                throw (Exception) problem.getCause();
            }
        }
        try {
            String page = Telemetry.client("SELECT product", "postgresql", "postgresql", () -> pool.use(c -> load(c, id)));
            mine.complete(page);
            return page;
        } catch (Exception problem) {
            mine.completeExceptionally(problem);
            throw problem;
        } finally {
            loading.remove(id);
        }
    }

    private static String load(Connection connection, int id) throws Exception {
        String sql = "SELECT name, price, pg_sleep(?) FROM products WHERE id = ?";
        try (PreparedStatement s = connection.prepareStatement(sql)) {
            s.setDouble(1, PAGE_SECONDS);
            s.setInt(2, id);
            try (ResultSet row = s.executeQuery()) {
                if (!row.next()) {
                    return "{}";
                }
                return "{\"id\":" + id + ",\"name\":\"" + row.getString(1) + "\",\"price\":" + row.getInt(2) + "}";
            }
        }
    }
}

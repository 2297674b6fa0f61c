package shop;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;

/**
 * Finds products by name. Full search ranks candidates, which costs 2 ms for each level of ranking depth (pg_sleep
 * stands for it); simple search takes the index's order, over connections of its own: slow rankings cannot starve it.
 */
final class Search {
    static final int DEPTH_DEFAULT = 5;
    private static final double SECONDS_PER_DEPTH = 0.002;
    private final Pool ranked;
    private final Pool plain;
    volatile int depth = DEPTH_DEFAULT; // from the service's own configuration file, not a knob

    Search(Pool ranked, Pool plain) {
        this.ranked = ranked;
        this.plain = plain;
    }

    String find(String words, boolean full) throws Exception {
        double seconds = full ? depth * SECONDS_PER_DEPTH : 0;
        return Telemetry.client("SELECT search", "postgresql", "postgresql",
                () -> (full ? ranked : plain).use(c -> query(c, words, seconds)));
    }

    private static String query(Connection connection, String words, double seconds) throws Exception {
        String sql = "SELECT id, CASE WHEN ? > 0 THEN pg_sleep(?) END FROM (SELECT id FROM products"
                + " WHERE name LIKE ? ORDER BY name LIMIT 1) found";
        try (PreparedStatement s = connection.prepareStatement(sql)) {
            s.setDouble(1, seconds);
            s.setDouble(2, seconds);
            s.setString(3, words + "%");
            StringBuilder out = new StringBuilder("{\"found\":[");
            try (ResultSet rows = s.executeQuery()) {
                while (rows.next()) {
                    out.append(out.length() > 10 ? "," : "").append(rows.getInt(1));
                }
            }
            return out.append("]}").toString();
        }
    }
}

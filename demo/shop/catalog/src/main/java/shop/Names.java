package shop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.Map;

/** SHOP_NAMES may rename services, operations, knobs and metrics: nothing depends on what they are called. */
final class Names {
    private static final Map<?, ?> names = read();

    private Names() {}

    private static Map<?, ?> read() {
        String path = System.getenv("SHOP_NAMES");
        try {
            return path == null || path.isEmpty() ? Map.of() : new ObjectMapper().readValue(new File(path), Map.class);
        } catch (Exception problem) {
            throw new IllegalStateException("SHOP_NAMES: " + problem.getMessage(), problem);
        }
    }

    static String of(String kind, String name) {
        Object other = names.get(kind + ":" + name);
        return other == null ? name : (String) other;
    }
}

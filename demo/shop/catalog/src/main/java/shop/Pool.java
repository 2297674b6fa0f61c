package shop;

import java.sql.Connection;
import java.sql.DriverManager;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** A fixed number of database connections; a request waits for a free one for 2 s at most. */
final class Pool {
    interface Work<T> {
        T with(Connection connection) throws Exception;
    }

    private final BlockingQueue<Connection> free;
    private final String url;

    Pool(String url, int size) throws Exception {
        this.url = url;
        free = new ArrayBlockingQueue<>(size);
        for (int i = 0; i < size; i++) {
            free.add(DriverManager.getConnection(url));
        }
    }

    <T> T use(Work<T> work) throws Exception {
        Connection connection = free.poll(2, TimeUnit.SECONDS);
        if (connection == null) {
            throw new IllegalStateException("no free database connection within 2 s");
        }
        try {
            if (connection.isClosed()) {
                connection = DriverManager.getConnection(url);
            }
            return work.with(connection);
        } finally {
            free.add(connection);
        }
    }
}

package shop;

import com.sun.net.httpserver.HttpExchange;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.Map;
import java.util.concurrent.Callable;

/** Spans and logs with the official SDK; everything else comes from the standard OTEL_* variables. */
final class Telemetry {
    private static final OpenTelemetry sdk =
            AutoConfiguredOpenTelemetrySdk.builder().setResultAsGlobal().build().getOpenTelemetrySdk();
    private static final Tracer tracer = sdk.getTracer("shop/catalog");
    private static final Logger logger = sdk.getLogsBridge().get("shop/catalog");
    private static volatile Severity level = Severity.INFO;

    private static final TextMapGetter<HttpExchange> headers = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(HttpExchange exchange) {
            return exchange.getRequestHeaders().keySet();
        }

        @Override
        public String get(HttpExchange exchange, String key) {
            return exchange.getRequestHeaders().getFirst(key);
        }
    };

    private Telemetry() {}

    static void setLevel(String name) {
        level = Map.of("debug", Severity.DEBUG, "warn", Severity.WARN).getOrDefault(name, Severity.INFO);
    }

    static void log(Severity severity, String text) {
        if (severity.getSeverityNumber() >= level.getSeverityNumber()) {
            logger.logRecordBuilder().setSeverity(severity).setSeverityText(severity.name()).setBody(text).emit();
        }
    }

    static Span serverSpan(String route, HttpExchange exchange) {
        Context parent = sdk.getPropagators().getTextMapPropagator().extract(Context.root(), exchange, headers);
        String name = Names.of("operation", route);
        return tracer.spanBuilder(name).setParent(parent).setSpanKind(SpanKind.SERVER)
                .setAttribute("http.request.method", exchange.getRequestMethod()).setAttribute("http.route", name)
                .startSpan();
    }

    /** One call of a data store under a client span. */
    static <T> T client(String name, String peer, String system, Callable<T> work) throws Exception {
        String callee = Names.of("service", peer);
        Span span = tracer.spanBuilder(Names.of("operation", name)).setSpanKind(SpanKind.CLIENT)
                .setAttribute("db.system.name", system).setAttribute("peer.service", callee)
                .setAttribute("server.address", callee).startSpan();
        try (Scope ignored = span.makeCurrent()) {
            return work.call();
        } catch (Exception problem) {
            span.setStatus(StatusCode.ERROR, String.valueOf(problem.getMessage()));
            span.setAttribute("error.type", problem.getClass().getSimpleName());
            throw problem;
        } finally {
            span.end();
        }
    }
}

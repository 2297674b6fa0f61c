package shop;

import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.EvaluationContext;
import dev.openfeature.sdk.FlagEvaluationDetails;
import dev.openfeature.sdk.Hook;
import dev.openfeature.sdk.HookContext;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import io.opentelemetry.api.trace.Span;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Values through OpenFeature over OFREP. An evaluation never waits longer than 100 ms: then the code default holds. */
final class Knobs {
    private static final Duration EVALUATION_MAX = Duration.ofMillis(100); // the provider's own default is 10 s
    private final Client client;
    private final String instance;
    private final Map<String, Attributes> latest = new ConcurrentHashMap<>();
    private final List<Runnable> watched = new ArrayList<>();

    Knobs(String endpoint, String instance) {
        this.instance = instance;
        OfrepProviderOptions options = OfrepProviderOptions.builder()
                .baseUrl(endpoint).connectTimeout(EVALUATION_MAX).requestTimeout(EVALUATION_MAX).build();
        OpenFeatureAPI.getInstance().setProviderAndWait(OfrepProvider.constructProvider(options));
        client = OpenFeatureAPI.getInstance().getClient();
        client.addHooks(new Hook<Object>() {
            @Override
            public void finallyAfter(HookContext<Object> at, FlagEvaluationDetails<Object> d, Map<String, Object> hints) {
                String id = at.getCtx().getTargetingKey();
                Span.current().addEvent("feature_flag.evaluation", event(id == null ? "" : id, d));
            }
        });
    }

    /** What this client saw of each knob, second by second: to look at when the values server is ill. */
    private static final int KEPT_SECONDS = 180;

    private record Seen(int n, double msMax, String value, String variant) {
        String json() {
            return "{\"n\":" + n + ",\"ms_max\":" + msMax + ",\"value\":\"" + value + "\",\"variant\":\"" + variant + "\"}";
        }
    }

    private final Map<Long, Map<String, Seen>> seen = new ConcurrentHashMap<>();

    private <T> FlagEvaluationDetails<T> timed(Supplier<FlagEvaluationDetails<T>> evaluation) {
        long started = System.nanoTime();
        FlagEvaluationDetails<T> d = evaluation.get();
        double ms = (System.nanoTime() - started) / 100_000 / 10.0;
        long second = System.currentTimeMillis() / 1000;
        String variant = d.getVariant() == null ? "" : d.getVariant();
        seen.computeIfAbsent(second, s -> new ConcurrentHashMap<>()).merge(d.getFlagKey(),
                new Seen(1, ms, String.valueOf(d.getValue()), variant),
                (a, b) -> new Seen(a.n + b.n, Math.max(a.msMax, b.msMax), b.value, b.variant));
        seen.remove(second - KEPT_SECONDS);
        return d;
    }

    String evaluations() {
        return seen.entrySet().stream()
                .map(second -> "\"" + second.getKey() + "\":" + second.getValue().entrySet().stream()
                        .map(knob -> "\"" + knob.getKey() + "\":" + knob.getValue().json())
                        .collect(Collectors.joining(",", "{", "}")))
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static Attributes event(String id, FlagEvaluationDetails<?> d) {
        AttributesBuilder out = Attributes.builder()
                .put("feature_flag.key", d.getFlagKey())
                .put("feature_flag.result.variant", d.getVariant() == null ? "" : d.getVariant())
                .put("feature_flag.result.value", String.valueOf(d.getValue()))
                .put("feature_flag.result.reason", d.getReason() == null ? "" : d.getReason().toLowerCase())
                .put("feature_flag.context.id", id)
                .put("feature_flag.set.id", "homeostat")
                .put("feature_flag.provider.name", "ofrep");
        String version = d.getFlagMetadata() == null ? null : d.getFlagMetadata().getString("version");
        return out.put("feature_flag.version", version == null ? "" : version).build();
    }

    /** Decided for one user, in the request. */
    String textFor(String key, String fallback, String user) {
        String name = Names.of("knob", key);
        EvaluationContext at = new ImmutableContext(user);
        return timed(() -> client.getStringDetails(name, fallback, at)).getValue();
    }

    /** Decided for this instance, once a second; every request records what was in force. */
    void watchText(String key, String fallback, Consumer<String> apply) {
        String name = Names.of("knob", key);
        EvaluationContext at = new ImmutableContext(instance);
        watched.add(() -> {
            FlagEvaluationDetails<String> d = timed(() -> client.getStringDetails(name, fallback, at));
            latest.put(name, event(instance, d));
            apply.accept(d.getValue());
        });
    }

    void watchInteger(String key, int fallback, Consumer<Integer> apply) {
        String name = Names.of("knob", key);
        EvaluationContext at = new ImmutableContext(instance);
        watched.add(() -> {
            FlagEvaluationDetails<Integer> d = timed(() -> client.getIntegerDetails(name, fallback, at));
            latest.put(name, event(instance, d));
            apply.accept(d.getValue());
        });
    }

    void start() {
        watched.forEach(Runnable::run);
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(work -> {
            Thread thread = new Thread(work, "knobs");
            thread.setDaemon(true);
            return thread;
        });
        clock.scheduleWithFixedDelay(() -> watched.forEach(Runnable::run), 1, 1, TimeUnit.SECONDS);
    }

    void recordInstance(Span span) {
        latest.values().forEach(attributes -> span.addEvent("feature_flag.evaluation", attributes));
    }
}

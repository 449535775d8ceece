package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.List;

/// The variable `loop`.
final class LoopState {

    private final List<?> items;
    private final Operations operations;
    private int index;
    private List<Object> lastChanged;

    LoopState(List<?> items, Operations operations) {
        this.items = items;
        this.operations = operations;
    }

    void moveTo(int newIndex) {
        index = newIndex;
    }

    Object attribute(String name) {
        return switch (name) {
            case "index" -> (long) index + 1;
            case "index0" -> (long) index;
            case "revindex" -> (long) items.size() - index;
            case "revindex0" -> (long) items.size() - index - 1;
            case "first" -> index == 0;
            case "last" -> index == items.size() - 1;
            case "length" -> (long) items.size();
            case "depth" -> 1L; // more only in recursive loops, which are not supported
            case "depth0" -> 0L;
            case "previtem" -> neighbour(index - 1);
            case "nextitem" -> neighbour(index + 1);
            case "cycle" ->
                    (Callable)
                            a -> {
                                if (a.positional().isEmpty()) {
                                    throw new TemplateException("cycle of nothing");
                                }
                                return a.positional().get(index % a.positional().size());
                            };
            case "changed" ->
                    (Callable)
                            a -> {
                                boolean changed = !operations.equal(lastChanged, a.positional());
                                lastChanged = a.positional();
                                return changed;
                            };
            default -> new Undefined("'loop." + name + "'");
        };
    }

    private Object neighbour(int at) {
        return at >= 0 && at < items.size()
                ? items.get(at)
                : new Undefined("there is no such element of the loop");
    }
}

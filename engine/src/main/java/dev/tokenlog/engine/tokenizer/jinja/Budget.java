package dev.tokenlog.engine.tokenizer.jinja;

/// What one rendering may spend. Templates come from strangers: a loop over loops, a text that
/// doubles, or a macro that calls itself must end in an error, not in an outage.
///
/// One unit is one evaluation step or about 16 characters, eight are an element of a list: together
/// at most 128 million characters or a million elements. What is called with a text (filters,
/// methods, tests) charges it; what makes a text or a list charges what it makes.
final class Budget {

    static final int MAX_TEXT = 1 << 24;
    static final int MAX_DEPTH = 400;
    private static final long UNITS = 8_000_000;

    private long units = UNITS;
    private int depth;

    void step() {
        spend(1);
    }

    /// Call before making a text of this many characters.
    void text(long characters) {
        if (characters > MAX_TEXT) {
            throw new TemplateException("a text of more than " + MAX_TEXT + " characters");
        }
        spend(1 + characters / 16);
    }

    /// Call before making or walking through a list or a map of this many elements.
    void elements(long count) {
        spend(1 + 8 * Math.min(count, UNITS));
    }

    private void spend(long cost) {
        units -= cost;
        if (units < 0) {
            throw new TemplateException("the template computes too much");
        }
    }

    void enter() {
        if (++depth > MAX_DEPTH) {
            throw new TemplateException("nested more than " + MAX_DEPTH + " deep");
        }
    }

    void leave() {
        depth--;
    }
}

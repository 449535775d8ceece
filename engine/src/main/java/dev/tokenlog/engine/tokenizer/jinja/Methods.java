package dev.tokenlog.engine.tokenizer.jinja;

import static dev.tokenlog.engine.tokenizer.jinja.Values.Callable.taking;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.function.ToIntBiFunction;

/// Methods of Python's `str`, `dict` and `list` that change nothing. Those that would are refused,
/// as in jinja2's immutable sandbox.
final class Methods {

    private static final Set<String> CHANGING_MAPS =
            Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> CHANGING_LISTS =
            Set.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort");

    private static final Set<String> KEEPING =
            Set.of(
                    "strip",
                    "lstrip",
                    "rstrip",
                    "upper",
                    "lower",
                    "title",
                    "capitalize",
                    "casefold",
                    "swapcase",
                    "removeprefix",
                    "removesuffix");
    private static final Set<String> LOOKING =
            Set.of("startswith", "endswith", "find", "rfind", "index", "rindex", "count");

    private final Operations operations;
    private final Budget budget;
    private final Texts texts;

    Methods(Operations operations, Budget budget) {
        this.operations = operations;
        this.budget = budget;
        this.texts = new Texts(budget);
    }

    /// The method of this name; Undefined for one that would change its target; null if there is
    /// none.
    Object find(Object target, String name) {
        return switch (target) {
            case String text -> {
                Callable method = ofText(text, name);
                yield method == null ? null : charged(text, method);
            }
            case Markup markup -> ofMarkup(markup, name);
            case Map<?, ?> _ when CHANGING_MAPS.contains(name) -> changing(name);
            case Map<?, ?> map -> ofMap(map, name);
            case List<?> list when CHANGING_LISTS.contains(name) && !(list instanceof Tuple) ->
                    changing(name);
            case List<?> list -> ofList(list, name);
            case null, default -> null;
        };
    }

    /// Every method of a text reads it.
    private Callable charged(String text, Callable method) {
        return arguments -> {
            budget.text(text.length());
            return method.call(arguments);
        };
    }

    /// Methods that leave an escaped text what it is, and those that only look at it. Others escape
    /// their arguments in Python; they are refused.
    private Object ofMarkup(Markup markup, String name) {
        Callable method = ofText(markup.text(), name);
        if (method == null) {
            return null;
        }
        boolean kept = KEEPING.contains(name);
        if (!kept && !LOOKING.contains(name) && !name.startsWith("is")) {
            throw new TemplateException("'" + name + "' of an escaped text is not supported");
        }
        Callable charged = charged(markup.text(), method);
        return kept ? (Callable) a -> new Markup((String) charged.call(a)) : charged;
    }

    private static Undefined changing(String name) {
        return new Undefined("'" + name + "', which changes values,");
    }

    private Callable ofMap(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" ->
                    taking(
                            a -> {
                                Object key = a.require(0, "key");
                                return Operations.has(map, key)
                                        ? map.get(key)
                                        : a.get(1, "default", null);
                            },
                            "key",
                            "default");
            case "items" -> taking(a -> operations.items(map));
            case "keys" -> taking(a -> new ArrayList<>(operations.iterate(map)));
            case "values" ->
                    taking(a -> {
                        budget.elements(map.size());
                        return new ArrayList<>(map.values());
                    });
            case "copy" -> taking(a -> map);
            default -> null;
        };
    }

    private Callable ofList(List<?> list, String name) {
        return switch (name) {
            case "index" -> taking(a -> indexOf(list, a.require(0, "value")), "value");
            case "count" ->
                    taking(
                            a -> {
                                Object wanted = a.require(0, "value");
                                return list.stream()
                                        .filter(e -> operations.equal(e, wanted))
                                        .count();
                            },
                            "value");
            case "copy" -> taking(a -> list);
            default -> null;
        };
    }

    private long indexOf(List<?> list, Object wanted) {
        for (int i = 0; i < list.size(); i++) {
            if (operations.equal(list.get(i), wanted)) {
                return i;
            }
        }
        throw new TemplateException("the list has no such element");
    }

    private Callable ofText(String text, String name) {
        return switch (name) {
            case "strip" -> taking(a -> PythonText.strip(text, characters(a), true, true), "chars");
            case "lstrip" ->
                    taking(a -> PythonText.strip(text, characters(a), true, false), "chars");
            case "rstrip" ->
                    taking(a -> PythonText.strip(text, characters(a), false, true), "chars");
            case "split" ->
                    taking(
                            a -> texts.split(text, separator(a), a.integer(1, "maxsplit", -1)),
                            "sep",
                            "maxsplit");
            case "rsplit" ->
                    taking(
                            a -> texts.rsplit(text, separator(a), a.integer(1, "maxsplit", -1)),
                            "sep",
                            "maxsplit");
            case "splitlines" -> taking(a -> texts.lines(text, a.truth(0, "keepends")), "keepends");
            case "replace" ->
                    taking(
                            a ->
                                    texts.replace(
                                            text,
                                            a.text(0, "old"),
                                            a.text(1, "new"),
                                            a.integer(2, "count", -1)),
                            "old",
                            "new",
                            "count");
            case "join" ->
                    taking(a -> texts.join(text, strings(a.require(0, "iterable"))), "iterable");
            case "startswith" ->
                    searching(
                            text,
                            (part, a) -> part != null && affix(a, part::startsWith),
                            "prefix");
            case "endswith" ->
                    searching(
                            text, (part, a) -> part != null && affix(a, part::endsWith), "prefix");
            case "removeprefix" ->
                    taking(
                            a -> {
                                String prefix = a.text(0, "prefix");
                                return text.startsWith(prefix)
                                        ? text.substring(prefix.length())
                                        : text;
                            },
                            "prefix");
            case "removesuffix" ->
                    taking(
                            a -> {
                                String suffix = a.text(0, "suffix");
                                return text.endsWith(suffix)
                                        ? text.substring(0, text.length() - suffix.length())
                                        : text;
                            },
                            "suffix");
            case "partition" -> taking(a -> partition(text, a.text(0, "sep"), false), "sep");
            case "rpartition" -> taking(a -> partition(text, a.text(0, "sep"), true), "sep");
            case "find" -> position(text, Methods::first, false);
            case "rfind" -> position(text, Methods::last, false);
            case "index" -> position(text, Methods::first, true);
            case "rindex" -> position(text, Methods::last, true);
            case "count" ->
                    searching(
                            text,
                            (part, a) -> part == null ? 0L : texts.count(part, a.text(0, "sub")),
                            "sub");
            case "upper" -> taking(a -> text.toUpperCase(Locale.ROOT));
            case "lower" -> taking(a -> text.toLowerCase(Locale.ROOT));
            case "casefold" -> taking(a -> Texts.caseFolded(text));
            case "swapcase" -> taking(a -> Texts.swapCase(text));
            case "title" -> taking(a -> Texts.title(text));
            case "capitalize" -> taking(a -> Texts.capitalize(text));
            case "center" -> padding((width, fill) -> texts.centered(text, width, fill));
            case "ljust" -> padding((width, fill) -> texts.padded(text, width, fill, false));
            case "rjust" -> padding((width, fill) -> texts.padded(text, width, fill, true));
            case "zfill" -> taking(a -> zeros(text, a), "width");
            case "format" -> a -> new PythonFormat(budget).braces(text, a.plain());
            case "isdigit", "isdecimal" -> taking(a -> all(text, Character::isDigit));
            case "isnumeric" -> taking(a -> all(text, PythonText::isNumeric));
            case "isalpha" -> taking(a -> all(text, Character::isLetter));
            case "isalnum" -> taking(a -> all(text, PythonText::isAlphanumeric));
            case "isascii" -> taking(a -> text.chars().allMatch(c -> c < 0x80));
            case "isspace" -> taking(a -> all(text, PythonText::isSpace));
            case "isupper" -> taking(a -> Tests.isCase(text, true));
            case "islower" -> taking(a -> Tests.isCase(text, false));
            default -> null;
        };
    }

    private static int first(String text, String part) {
        return new Search(text, part).from(0);
    }

    private static int last(String text, String part) {
        return new Search(text, part).lastBefore(text.length());
    }

    @FunctionalInterface
    private interface Query {
        /// @param part the text between `start` and `end`; null where `start` lies behind, where
        ///   not even an empty text is found
        Object in(String part, Arguments arguments);
    }

    /// A method that looks into a text between `start` and `end`, as a slice has them.
    private Callable searching(String text, Query query, String parameter) {
        return taking(a -> query.in(between(text, a), a), parameter, "start", "end");
    }

    private String between(String text, Arguments a) {
        Object start = a.get(1, "start", null);
        Object end = a.get(2, "end", null);
        if (start == null && end == null) {
            return text;
        }
        long size = operations.length(text);
        long from = start == null ? 0 : a.integer(1, "start", 0);
        long to = end == null ? size : a.integer(2, "end", size);
        long least = from < 0 ? Math.max(0, from + size) : from;
        long most = to < 0 ? Math.max(0, to + size) : Math.min(to, size);
        return least > most ? null : (String) operations.slice(text, least, most, null);
    }

    /// `find`, `index` and their kin from the right, in code points of the whole text.
    private Callable position(String text, ToIntBiFunction<String, String> find, boolean required) {
        return searching(
                text,
                (part, a) -> {
                    int found = part == null ? -1 : find.applyAsInt(part, a.text(0, "sub"));
                    if (found < 0 && required) {
                        throw new TemplateException("the text has no such part");
                    }
                    if (found < 0) {
                        return -1L;
                    }
                    long size = operations.length(text);
                    long start = a.given(1, "start", 0L) instanceof Long from ? from : 0;
                    long skipped = start < 0 ? Math.max(0, start + size) : start;
                    return skipped + part.codePointCount(0, found);
                },
                "sub");
    }

    private static Callable padding(BiFunction<Long, String, Object> pad) {
        return taking(
                a -> {
                    a.require(0, "width");
                    String fill = a.has(1, "fillchar") ? a.text(1, "fillchar") : " ";
                    if (fill.codePointCount(0, fill.length()) != 1) {
                        throw new TemplateException("the fill must be one character");
                    }
                    return pad.apply(a.integer(0, "width", 0), fill);
                },
                "width",
                "fillchar");
    }

    private String zeros(String text, Arguments a) {
        a.require(0, "width");
        boolean signed = text.startsWith("-") || text.startsWith("+");
        String sign = signed ? text.substring(0, 1) : "";
        long width = a.integer(0, "width", 0) - sign.length();
        return sign + texts.padded(text.substring(sign.length()), width, "0", true);
    }

    private static String characters(Arguments arguments) {
        return arguments.get(0, "chars", null) == null ? null : arguments.text(0, "chars");
    }

    private static String separator(Arguments arguments) {
        return arguments.get(0, "sep", null) == null ? null : arguments.text(0, "sep");
    }

    private List<String> strings(Object iterable) {
        List<String> strings = new ArrayList<>();
        for (Object element : operations.iterate(iterable)) {
            if (!(element instanceof String string)) {
                throw new TemplateException("join expects strings");
            }
            strings.add(string);
        }
        return strings;
    }

    private static boolean affix(Arguments a, Predicate<String> holds) {
        if (a.require(0, "prefix") instanceof Tuple choices) {
            return choices.stream().anyMatch(c -> c instanceof String s && holds.test(s));
        }
        return holds.test(a.text(0, "prefix"));
    }

    private static Tuple partition(String text, String separator, boolean last) {
        int at = last ? last(text, separator) : first(text, separator);
        if (separator.isEmpty()) {
            throw new TemplateException("the separator is empty");
        }
        if (at < 0) {
            return new Tuple(last ? List.of("", "", text) : List.of(text, "", ""));
        }
        return new Tuple(
                List.of(text.substring(0, at), separator, text.substring(at + separator.length())));
    }

    private static boolean all(String text, IntPredicate predicate) {
        return !text.isEmpty() && text.codePoints().allMatch(predicate);
    }
}

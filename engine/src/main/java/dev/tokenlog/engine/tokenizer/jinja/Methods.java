package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// Methods of Python's `str`, `dict` and `list` that change nothing. Those that would are refused,
/// as in jinja2's immutable sandbox.
final class Methods {

    private static final Set<String> CHANGING =
            Set.of(
                    "append",
                    "clear",
                    "extend",
                    "insert",
                    "pop",
                    "popitem",
                    "remove",
                    "reverse",
                    "setdefault",
                    "sort",
                    "update");

    private final Operations operations;
    private final Texts texts;

    Methods(Operations operations, Budget budget) {
        this.operations = operations;
        this.texts = new Texts(budget);
    }

    /// The method of this name, or null.
    Callable find(Object target, String name) {
        return switch (target) {
            case String text -> ofText(text, name);
            case Map<?, ?> map -> ofMap(map, name);
            case List<?> list -> ofList(list, name);
            case null, default -> null;
        };
    }

    private Callable ofMap(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" ->
                    a -> {
                        Object key = a.require(0, "key");
                        return map.containsKey(key) ? map.get(key) : a.get(1, "default", null);
                    };
            case "items" -> a -> items(map);
            case "keys" -> a -> new ArrayList<>(operations.iterate(map));
            case "values" -> a -> new ArrayList<>(map.values());
            case "copy" -> a -> map;
            default -> refusal(name);
        };
    }

    static List<Object> items(Map<?, ?> map) {
        List<Object> items = new ArrayList<>();
        map.forEach((key, value) -> {
            List<Object> pair = new ArrayList<>();
            pair.add(key);
            pair.add(value);
            items.add(new Tuple(pair));
        });
        return items;
    }

    private Callable ofList(List<?> list, String name) {
        return switch (name) {
            case "index" -> a -> indexOf(list, a.require(0, "value"));
            case "count" ->
                    a -> {
                        Object wanted = a.require(0, "value");
                        return list.stream().filter(e -> operations.equal(e, wanted)).count();
                    };
            case "copy" -> a -> list;
            default -> refusal(name);
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

    private static Callable refusal(String name) {
        if (!CHANGING.contains(name)) {
            return null;
        }
        return a -> {
            throw new TemplateException("a template may not change values: " + name);
        };
    }

    private Callable ofText(String text, String name) {
        return switch (name) {
            case "strip" -> a -> PythonText.strip(text, characters(a), true, true);
            case "lstrip" -> a -> PythonText.strip(text, characters(a), true, false);
            case "rstrip" -> a -> PythonText.strip(text, characters(a), false, true);
            case "split" -> a -> texts.split(text, separator(a), a.integer(1, "maxsplit", -1));
            case "rsplit" -> a -> texts.rsplit(text, separator(a), a.integer(1, "maxsplit", -1));
            case "splitlines" -> a -> texts.lines(text);
            case "replace" ->
                    a ->
                            texts.replace(
                                    text,
                                    a.text(0, "old"),
                                    a.text(1, "new"),
                                    a.integer(2, "count", -1));
            case "join" -> a -> texts.join(text, strings(a.require(0, "iterable")));
            case "startswith" -> a -> affix(a, text::startsWith);
            case "endswith" -> a -> affix(a, text::endsWith);
            case "removeprefix" ->
                    a -> {
                        String prefix = a.text(0, "prefix");
                        return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
                    };
            case "removesuffix" ->
                    a -> {
                        String suffix = a.text(0, "suffix");
                        return text.endsWith(suffix)
                                ? text.substring(0, text.length() - suffix.length())
                                : text;
                    };
            case "partition" -> a -> partition(text, a.text(0, "sep"), false);
            case "rpartition" -> a -> partition(text, a.text(0, "sep"), true);
            case "find" -> a -> position(text, text.indexOf(a.text(0, "sub")));
            case "rfind" -> a -> position(text, text.lastIndexOf(a.text(0, "sub")));
            case "index" ->
                    a -> {
                        int found = text.indexOf(a.text(0, "sub"));
                        if (found < 0) {
                            throw new TemplateException("the text has no such part");
                        }
                        return position(text, found);
                    };
            case "count" -> a -> texts.count(text, a.text(0, "sub"));
            case "upper" -> a -> text.toUpperCase(Locale.ROOT);
            case "lower" -> a -> text.toLowerCase(Locale.ROOT);
            case "casefold" -> a -> text.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT);
            case "title" -> a -> Texts.title(text);
            case "capitalize" -> a -> Texts.capitalize(text);
            case "isdigit" -> a -> all(text, Character::isDigit);
            case "isalpha" -> a -> all(text, Character::isLetter);
            case "isalnum" -> a -> all(text, Character::isLetterOrDigit);
            case "isspace" -> a -> all(text, PythonText::isSpace);
            case "isupper" -> a -> Tests.isCase(text, true);
            case "islower" -> a -> Tests.isCase(text, false);
            default -> null;
        };
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

    private static boolean affix(Arguments a, java.util.function.Predicate<String> holds) {
        if (a.require(0, "prefix") instanceof Tuple choices) {
            return choices.stream().anyMatch(c -> c instanceof String s && holds.test(s));
        }
        return holds.test(a.text(0, "prefix"));
    }

    private static Tuple partition(String text, String separator, boolean last) {
        int at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
        if (separator.isEmpty()) {
            throw new TemplateException("the separator is empty");
        }
        if (at < 0) {
            return new Tuple(last ? List.of("", "", text) : List.of(text, "", ""));
        }
        return new Tuple(
                List.of(text.substring(0, at), separator, text.substring(at + separator.length())));
    }

    private static long position(String text, int utf16) {
        return utf16 < 0 ? -1 : text.codePointCount(0, utf16);
    }

    private static boolean all(String text, java.util.function.IntPredicate predicate) {
        return !text.isEmpty() && text.codePoints().allMatch(predicate);
    }
}

package dev.tokenlog.engine.tokenizer.jinja;

import java.util.Random;

/// Calls of every filter, method and test with arguments that nobody would give them.
final class OddCalls {

    private static final String[] VALUES = {
        "none",
        "true",
        "undef",
        "0",
        "-1",
        "3",
        "2.5",
        "1e308*10",
        "-(1e308*10)",
        "(1e308*10-1e308*10)",
        "9223372036854775807",
        "-9223372036854775807",
        "123456789012345678901234567890",
        "'a'",
        "''",
        "'x y'",
        "'%s'",
        "'{}'",
        "'{:d}'",
        "'%5.2f'",
        "'{:>5}'",
        "[]",
        "[1,'a',none]",
        "[[1]]",
        "(1,2)",
        "{'a':1}",
        "{}",
        "range(3)",
        "namespace(a=1)",
        "joiner",
        "joiner()",
        "['b','a']|map('upper')",
        "'<'|safe"
    };
    private static final String[] FILTERS =
            ("abs batch capitalize center count d default dictsort e escape first float forceescape"
                            + " format indent int items join last length list lower map max min"
                            + " reject rejectattr replace reverse round safe select selectattr slice"
                            + " sort string sum title tojson trim unique upper wordcount")
                    .split(" ");
    private static final String[] METHODS =
            ("strip lstrip rstrip split rsplit splitlines replace join startswith endswith"
                            + " removeprefix removesuffix partition rpartition find rfind index"
                            + " rindex count upper lower casefold swapcase title capitalize center"
                            + " ljust rjust zfill format isdigit isdecimal isnumeric isalpha isalnum"
                            + " isascii isspace isupper islower get items keys values copy pop")
                    .split(" ");
    private static final String[] TESTS =
            ("defined none odd even divisibleby in eq lt gt lower upper sameas iterable sequence"
                            + " string mapping filter test callable")
                    .split(" ");
    private static final String[] NAMES =
            ("width first blank count chars attribute default_value boolean case_sensitive by"
                            + " reverse precision method default sep maxsplit keepends start end"
                            + " indent separators sort_keys ensure_ascii linecount fill_with slices"
                            + " d old new")
                    .split(" ");
    private static final String[] OPERATORS = "+ - * / // % ** ~ == < in and".split(" ");

    private OddCalls() {}

    static String expression(Random random) {
        String value = "(" + pick(random, VALUES) + ")";
        String made =
                switch (random.nextInt(6)) {
                    case 0, 1 -> value + " | " + pick(random, FILTERS) + arguments(random);
                    case 2 -> value + "." + pick(random, METHODS) + arguments(random);
                    case 3 ->
                            value + " is " + pick(random, TESTS) + "(" + pick(random, VALUES) + ")";
                    case 4 ->
                            value
                                    + " "
                                    + pick(random, OPERATORS)
                                    + " ("
                                    + pick(random, VALUES)
                                    + ")";
                    default ->
                            value + "[" + pick(random, VALUES) + ":" + pick(random, VALUES) + "]";
                };
        return random.nextBoolean()
                ? made
                : "(" + made + ") | " + pick(random, FILTERS) + arguments(random);
    }

    private static String arguments(Random random) {
        StringBuilder arguments = new StringBuilder("(");
        for (int i = random.nextInt(4); i > 0; i--) {
            switch (random.nextInt(6)) {
                case 0, 1 -> arguments.append(pick(random, NAMES)).append('=');
                case 2 -> arguments.append(random.nextInt(3) == 0 ? "*" : "");
                default -> arguments.append(random.nextInt(12) == 0 ? "**" : "");
            }
            arguments.append(pick(random, VALUES)).append(i > 1 ? ", " : "");
        }
        return arguments.append(')').toString();
    }

    private static String pick(Random random, String[] choices) {
        return choices[random.nextInt(choices.length)];
    }
}

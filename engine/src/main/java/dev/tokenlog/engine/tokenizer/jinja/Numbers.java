package dev.tokenlog.engine.tokenizer.jinja;

/// Python's arithmetic on numbers. Integers have 64 bits here; what does not fit is an error.
final class Numbers {

    private Numbers() {}

    static Object apply(String operator, Object left, Object right) {
        try {
            if (left instanceof Double || right instanceof Double || operator.equals("/")) {
                return real(operator, toDouble(left), toDouble(right));
            }
            return whole(operator, toLong(left), toLong(right));
        } catch (ArithmeticException e) {
            throw new TemplateException("a number is divided by zero or too large");
        }
    }

    private static long whole(String operator, long a, long b) {
        return switch (operator) {
            case "+" -> Math.addExact(a, b);
            case "-" -> Math.subtractExact(a, b);
            case "*" -> Math.multiplyExact(a, b);
            case "//" -> Math.floorDivExact(a, b);
            case "%" -> Math.floorMod(a, b);
            case "**" -> Math.powExact(a, Math.toIntExact(b));
            default -> throw new TemplateException("there is no operator " + operator);
        };
    }

    private static double real(String operator, double a, double b) {
        if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
            throw new ArithmeticException("division by zero");
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> Math.floor(a / b);
            case "%" -> a - Math.floor(a / b) * b;
            case "**" -> Math.pow(a, b);
            default -> throw new TemplateException("there is no operator " + operator);
        };
    }

    static Object negate(Object value) {
        return switch (value) {
            case Long number when number != Long.MIN_VALUE -> -number;
            case Double number -> -number;
            case Boolean truth -> truth ? -1L : 0L;
            case null, default ->
                    throw new TemplateException("cannot negate " + Operations.typeName(value));
        };
    }

    static double toDouble(Object value) {
        return switch (value) {
            case Double number -> number;
            case Number number -> number.doubleValue();
            case Boolean truth -> truth ? 1 : 0;
            default -> throw new TemplateException("expected a number");
        };
    }

    private static long toLong(Object value) {
        return switch (value) {
            case Long number -> number;
            case Boolean truth -> truth ? 1 : 0;
            default -> throw new TemplateException("a number is too large to compute with");
        };
    }
}

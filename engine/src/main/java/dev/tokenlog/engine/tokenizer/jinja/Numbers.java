package dev.tokenlog.engine.tokenizer.jinja;

import java.math.BigInteger;

/// Python's arithmetic on numbers. Integers have 64 bits here; what does not fit is an error.
final class Numbers {

    private Numbers() {}

    static Object apply(String operator, Object left, Object right) {
        try {
            boolean root = operator.equals("**") && right instanceof Long power && power < 0;
            if (left instanceof Double || right instanceof Double || operator.equals("/") || root) {
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
        if (operator.equals("**") && (a == 0 && b < 0 || a < 0 && b != Math.rint(b))) {
            throw new ArithmeticException("division by zero, or a complex number");
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> floorQuotient(a, b);
            case "%" -> modulo(a, b);
            case "**" -> finite(Math.pow(a, b), a, b);
            default -> throw new TemplateException("there is no operator " + operator);
        };
    }

    private static double finite(double power, double a, double b) {
        if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
            throw new ArithmeticException("a number is too large");
        }
        return power;
    }

    /// The remainder with the divisor's sign.
    private static double modulo(double a, double b) {
        double remainder = a % b;
        if (remainder == 0) {
            return Math.copySign(0, b);
        }
        return remainder < 0 == b < 0 ? remainder : remainder + b;
    }

    /// From the remainder, which is exact, and not from the quotient, which is rounded: 1 // 0.1 is
    /// 9.0.
    private static double floorQuotient(double a, double b) {
        double remainder = a % b;
        double quotient = (a - remainder) / b;
        if (remainder != 0 && remainder < 0 != b < 0) {
            quotient -= 1;
        }
        if (quotient == 0) {
            return Math.copySign(0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    /// A [Long] where it has the room.
    static Object narrow(BigInteger number) {
        return number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
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
            case null, default -> throw new TemplateException("expected a number");
        };
    }

    private static long toLong(Object value) {
        return switch (value) {
            case Long number -> number;
            case Boolean truth -> truth ? 1 : 0;
            case Number _ -> throw new TemplateException("a number is too large to compute with");
            case null, default -> throw new TemplateException("expected a number");
        };
    }
}

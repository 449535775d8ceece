package dev.tokenlog.contracts;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.deser.std.StdScalarDeserializer;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdScalarSerializer;
import java.io.IOException;

/// What the parser lets through and an event must not hold: text with half a surrogate pair, which
/// has no UTF-8 form, and numbers that are not finite, which have no JSON form.
final class StrictScalars extends SimpleModule {

    private static final long serialVersionUID = 1L;

    StrictScalars() {
        super("tokenlog-strict-scalars");
        addDeserializer(String.class, new WholeText());
        addDeserializer(Double.class, new FiniteNumber(false));
        addDeserializer(double.class, new FiniteNumber(true));
        addSerializer(String.class, new WholeTextWriter());
        addSerializer(Double.class, new FiniteNumberWriter());
        addSerializer(double.class, new FiniteNumberWriter());
    }

    /// Whether every surrogate has its partner.
    static boolean isWhole(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            boolean pair =
                    Character.isHighSurrogate(c)
                            && i + 1 < text.length()
                            && Character.isLowSurrogate(text.charAt(i + 1));
            if (!pair) {
                return false;
            }
            i++;
        }
        return true;
    }

    private static final class WholeText extends StdScalarDeserializer<String> {

        private static final long serialVersionUID = 1L;

        WholeText() {
            super(String.class);
        }

        @Override
        public String deserialize(JsonParser parser, DeserializationContext context)
                throws IOException {
            if (!parser.hasToken(JsonToken.VALUE_STRING)) {
                return (String) context.handleUnexpectedToken(String.class, parser);
            }
            String text = parser.getText();
            if (!isWhole(text)) {
                throw JsonMappingException.from(parser, "the text holds half a surrogate pair");
            }
            return text;
        }
    }

    private static final class WholeTextWriter extends StdScalarSerializer<String> {

        private static final long serialVersionUID = 1L;

        WholeTextWriter() {
            super(String.class);
        }

        @Override
        public void serialize(String text, JsonGenerator out, SerializerProvider provider)
                throws IOException {
            if (!isWhole(text)) {
                throw JsonMappingException.from(out, "the text holds half a surrogate pair");
            }
            out.writeString(text);
        }
    }

    private static final class FiniteNumber extends StdScalarDeserializer<Double> {

        private static final long serialVersionUID = 1L;

        private final boolean primitive;

        FiniteNumber(boolean primitive) {
            super(Double.class);
            this.primitive = primitive;
        }

        @Override
        public Double getNullValue(DeserializationContext context) throws JsonMappingException {
            return primitive ? context.reportInputMismatch(this, "a number is required") : null;
        }

        @Override
        public Double deserialize(JsonParser parser, DeserializationContext context)
                throws IOException {
            if (!parser.currentToken().isNumeric()) {
                return (Double) context.handleUnexpectedToken(Double.class, parser);
            }
            double value = parser.getDoubleValue();
            if (!Double.isFinite(value)) {
                NumberOutOfRangeException beyond =
                        new NumberOutOfRangeException("the number is beyond a double");
                throw JsonMappingException.from(parser, beyond.getMessage(), beyond);
            }
            return value;
        }
    }

    private static final class FiniteNumberWriter extends StdScalarSerializer<Double> {

        private static final long serialVersionUID = 1L;

        FiniteNumberWriter() {
            super(Double.class);
        }

        @Override
        public void serialize(Double value, JsonGenerator out, SerializerProvider provider)
                throws IOException {
            if (!Double.isFinite(value)) {
                throw JsonMappingException.from(out, value + " has no JSON form");
            }
            out.writeNumber(value);
        }
    }
}

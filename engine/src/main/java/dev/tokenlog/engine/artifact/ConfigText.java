package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/// Takes a field out of the text of a `config.json` or puts one in, and leaves every other
/// character as it is: what one does, the other undoes to the byte.
final class ConfigText {

    private ConfigText() {}

    /// @param config an object that has at least one field
    /// @param value JSON
    static byte[] with(byte[] config, String field, String value) {
        String text = new String(config, StandardCharsets.UTF_8);
        int end = text.lastIndexOf('}') - 1;
        while (Character.isWhitespace(text.charAt(end))) {
            end--;
        }
        String added = ",\n  \"" + field + "\": " + value;
        return (text.substring(0, end + 1) + added + text.substring(end + 1))
                .getBytes(StandardCharsets.UTF_8);
    }

    /// @param what names the file in errors
    /// @return the same where there is no such field
    static byte[] without(byte[] config, String field, String what) {
        String text = StrictJson.decode(config, what);
        try (JsonParser parser = StrictJson.parser(text)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                int begin = Math.toIntExact(parser.currentTokenLocation().getCharOffset());
                boolean found = parser.currentName().equals(field);
                parser.nextToken();
                parser.skipChildren();
                parser.finishToken();
                int end = Math.toIntExact(parser.currentLocation().getCharOffset());
                if (found) {
                    return cut(text, begin, end).getBytes(StandardCharsets.UTF_8);
                }
            }
            return config;
        } catch (IOException e) {
            throw StrictJson.unreadable(what, e);
        }
    }

    /// With the comma before it; of the first field, with the comma behind it.
    private static String cut(String text, int begin, int end) {
        int before = begin - 1;
        while (Character.isWhitespace(text.charAt(before))) {
            before--;
        }
        if (text.charAt(before) == ',') {
            return text.substring(0, before) + text.substring(end);
        }
        int behind = end;
        while (Character.isWhitespace(text.charAt(behind))) {
            behind++;
        }
        return text.charAt(behind) == ','
                ? text.substring(0, before + 1) + text.substring(behind + 1)
                : text.substring(0, before + 1) + text.substring(behind);
    }
}

package dev.tokenlog.client;

import java.util.List;

/// The text of a generation as a person should see it: up to the first stop text, and never more
/// than what is certain not to become one.
///
/// The stop text that is complete first counts; of several that are complete at the same character,
/// the longest. So the view depends on the text alone and not on how it came in pieces.
final class StopTextView {

    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean stopped;

    StopTextView(List<String> stops) {
        this.stops = stops.stream().filter(stop -> !stop.isEmpty()).toList();
    }

    /// Takes the next piece, and gives what may be shown of everything so far.
    String push(String piece) {
        if (stopped) {
            return "";
        }
        int checked = held.length();
        held.append(piece);
        for (int end = checked + 1; end <= held.length(); end++) {
            int length = longestStopEndingAt(end);
            if (length > 0) {
                String shown = held.substring(0, end - length);
                held.setLength(0);
                stopped = true;
                return shown;
            }
        }
        return release(held.length() - longestBeginning());
    }

    /// There is no more text: whatever was held back is not a stop text.
    String finish() {
        return release(held.length());
    }

    private String release(int length) {
        String shown = held.substring(0, length);
        held.delete(0, length);
        return shown;
    }

    private int longestStopEndingAt(int end) {
        int longest = 0;
        for (String stop : stops) {
            int from = end - stop.length();
            if (from >= 0 && stop.length() > longest && matches(stop, from, stop.length())) {
                longest = stop.length();
            }
        }
        return longest;
    }

    /// Length of the longest end of the held text with which a stop text begins.
    private int longestBeginning() {
        int longest = 0;
        for (String stop : stops) {
            int most = Math.min(stop.length() - 1, held.length());
            for (int length = most; length > longest; length--) {
                if (matches(stop, held.length() - length, length)) {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private boolean matches(String stop, int from, int length) {
        for (int i = 0; i < length; i++) {
            if (held.charAt(from + i) != stop.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}

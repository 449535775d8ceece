package dev.tokenlog.cli;

import java.util.List;
import java.util.Locale;

/// The table as a picture: divergence over bits per weight, the first in powers of ten. Plain SVG
/// in black and two colours, so that it can be read on paper.
final class ComparePlot {

    private static final int WIDTH = 760;
    private static final int HEIGHT = 520;
    private static final int LEFT = 70;
    private static final int RIGHT = 20;
    private static final int TOP = 20;
    private static final int BOTTOM = 50;

    private final StringBuilder text = new StringBuilder();
    private final double mostBits;
    private final int lowest;
    private final int highest;

    private ComparePlot(List<CompareRow> rows) {
        mostBits =
                Math.ceil(rows.stream().mapToDouble(r -> r.size().bitsPerWeight()).max().orElse(8));
        lowest =
                (int) Math.floor(rows.stream().mapToDouble(ComparePlot::exponent).min().orElse(-4));
        highest =
                Math.max(
                        lowest + 1,
                        (int)
                                Math.ceil(
                                        rows.stream()
                                                .mapToDouble(ComparePlot::exponent)
                                                .max()
                                                .orElse(0)));
    }

    private static double exponent(CompareRow row) {
        double divergence = row.report().meanDivergence();
        // What does not differ at all, or is no number, stands at the edge.
        return divergence > 1e-7 ? Math.log10(Math.min(divergence, 1e3)) : -7;
    }

    static String svg(List<CompareRow> rows) {
        ComparePlot plot = new ComparePlot(rows);
        plot.frame();
        rows.forEach(plot::point);
        plot.text.append("</svg>\n");
        return plot.text.toString();
    }

    private void frame() {
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
                        + " font-family=\"sans-serif\" font-size=\"11\">%n",
                WIDTH, HEIGHT);
        add("<rect width=\"%d\" height=\"%d\" fill=\"white\"/>%n", WIDTH, HEIGHT);
        for (int power = lowest; power <= highest; power++) {
            double y = y(power);
            line(LEFT, y, WIDTH - RIGHT, y, "#ddd");
            label(LEFT - 8, y + 4, "end", "1e" + power);
        }
        for (int bits = 0; bits <= mostBits; bits++) {
            line(x(bits), TOP, x(bits), HEIGHT - BOTTOM, "#eee");
            label(x(bits), HEIGHT - BOTTOM + 16, "middle", Integer.toString(bits));
        }
        label(WIDTH / 2.0, HEIGHT - 12, "middle", "bits per weight, scales included");
        add(
                "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">mean KL"
                        + " divergence from the float model, nats</text>%n",
                HEIGHT / 2);
    }

    private void point(CompareRow row) {
        double x = x(row.size().bitsPerWeight());
        double y = y(exponent(row));
        boolean calibrated = row.name().contains(" ");
        String colour = calibrated ? "#c0392b" : "#1f4e79";
        add(
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\""
                        + " fill=\"%s\"><title>%s</title></circle>%n",
                x, y, colour, escaped(row.name()));
        add(
                "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\" font-size=\"9\">%s</text>%n",
                x + 6, y + 3, colour, escaped(row.name()));
    }

    private double x(double bits) {
        return LEFT + bits / mostBits * (WIDTH - LEFT - RIGHT);
    }

    private double y(double power) {
        return HEIGHT - BOTTOM - (power - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM);
    }

    private void line(double x1, double y1, double x2, double y2, String colour) {
        add(
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>%n",
                x1, y1, x2, y2, colour);
    }

    private void label(double x, double y, String anchor, String words) {
        add(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
                x, y, anchor, escaped(words));
    }

    private static String escaped(String words) {
        return words.replace("&", "&amp;").replace("<", "&lt;");
    }

    private void add(String format, Object... values) {
        text.append(String.format(Locale.ROOT, format, values));
    }
}

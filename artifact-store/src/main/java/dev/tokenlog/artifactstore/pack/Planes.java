package dev.tokenlog.artifactstore.pack;

/// Numbers of several bytes, regrouped so that bytes of equal place stand together: first the first
/// byte of every number, then the second of every number. The high bytes of scales are alike, which
/// a compressor sees only there.
final class Planes {

    private Planes() {}

    /// @param width bytes of a number; what is left over at the end stays as it is
    static byte[] split(byte[] numbers, int length, int width) {
        byte[] planes = java.util.Arrays.copyOf(numbers, length);
        int count = length / width;
        for (int plane = 0; plane < width; plane++) {
            for (int i = 0; i < count; i++) {
                planes[plane * count + i] = numbers[i * width + plane];
            }
        }
        return planes;
    }

    static byte[] join(byte[] planes, int width) {
        byte[] numbers = planes.clone();
        int count = planes.length / width;
        for (int plane = 0; plane < width; plane++) {
            for (int i = 0; i < count; i++) {
                numbers[i * width + plane] = planes[plane * count + i];
            }
        }
        return numbers;
    }

    /// Bits that the bytes of each plane need at least, if each stands for itself: `-Σ n · log2(n /
    /// N)` over the counts of its 256 values.
    static double entropyBits(byte[] planes, int width) {
        int count = planes.length / width;
        double bits = 0;
        for (int plane = 0; plane < width; plane++) {
            int[] counts = new int[256];
            int end = plane == width - 1 ? planes.length : (plane + 1) * count;
            for (int i = plane * count; i < end; i++) {
                counts[planes[i] & 0xff]++;
            }
            int all = end - plane * count;
            for (int n : counts) {
                bits -= n == 0 ? 0 : n * (Math.log((double) n / all) / Math.log(2));
            }
        }
        return bits;
    }
}

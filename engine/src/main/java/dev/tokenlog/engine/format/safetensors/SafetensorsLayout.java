package dev.tokenlog.engine.format.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tensor.DataType;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Where everything will lie in a safetensors file, decided before the first number is known: wide
/// elements first, so that each is aligned, and otherwise in the order given. The data begins at a
/// multiple of 64 bytes.
public final class SafetensorsLayout {

    private static final int ALIGNMENT = 64;

    /// A tensor that will be written.
    public record Declared(String name, DataType type, List<Long> shape) {

        public long bytes() {
            return Math.multiplyExact(TensorInfo.elements(shape), type.bytes());
        }
    }

    private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final byte[] header;
    private final long fileBytes;

    /// @param metadata strings for the header, or an empty map
    public SafetensorsLayout(Map<String, String> metadata, List<Declared> declared) {
        List<Declared> sorted = new ArrayList<>(declared);
        sorted.sort(Comparator.comparingInt((Declared d) -> d.type().bytes()).reversed());
        long end = 0;
        for (Declared tensor : sorted) {
            long begin = end;
            end = Math.addExact(begin, tensor.bytes());
            TensorInfo info =
                    new TensorInfo(tensor.name(), tensor.type(), tensor.shape(), begin, end);
            SafetensorsHeader.checkedName(tensor.name(), "layout");
            if (tensors.put(tensor.name(), info) != null) {
                throw new IllegalArgumentException(tensor.name() + ": declared twice");
            }
        }
        this.header = header(metadata);
        this.fileBytes = header.length + end;
    }

    private byte[] header(Map<String, String> metadata) {
        ObjectNode root = StrictJson.MAPPER.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode node = root.putObject(SafetensorsHeader.METADATA);
            new TreeMap<>(metadata).forEach(node::put);
        }
        for (TensorInfo tensor : tensors.values()) {
            ObjectNode node = root.putObject(tensor.name());
            node.put("dtype", tensor.type().name());
            tensor.shape().forEach(node.putArray("shape")::add);
            node.putArray("data_offsets").add(tensor.begin()).add(tensor.end());
        }
        byte[] json;
        try {
            json = StrictJson.MAPPER.writeValueAsString(root).getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // a tree of strings and numbers can be written
        }
        int padded = Math.ceilDiv(8 + json.length, ALIGNMENT) * ALIGNMENT;
        ByteBuffer bytes = ByteBuffer.allocate(padded).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(padded - 8).put(json);
        while (bytes.hasRemaining()) {
            bytes.put((byte) ' ');
        }
        return bytes.array();
    }

    /// Length, JSON and padding: everything before the data.
    byte[] header() {
        return header;
    }

    public long fileBytes() {
        return fileBytes;
    }

    /// In the order of the file.
    public List<TensorInfo> tensors() {
        return List.copyOf(tensors.values());
    }

    /// The place of a tensor's first byte in the file.
    public long position(String tensor) {
        return header.length + info(tensor).begin();
    }

    TensorInfo info(String tensor) {
        TensorInfo info = tensors.get(tensor);
        if (info == null) {
            throw new IllegalArgumentException(tensor + ": not declared");
        }
        return info;
    }
}

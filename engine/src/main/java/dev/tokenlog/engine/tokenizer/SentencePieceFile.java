package dev.tokenlog.engine.tokenizer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary.Algorithm;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary.Kind;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary.Piece;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A `tokenizer.model`: SentencePiece's `ModelProto`, of which the vocabulary (field 1), the
/// algorithm (in field 2) and the rules of normalization (field 3) count. Field numbers are those
/// of `sentencepiece_model.proto`.
///
/// @param beginOfSequence the piece that begins a sequence, if the vocabulary has one
/// @param endOfSequence the piece that ends a sequence, if the vocabulary has one
record SentencePieceFile(
        SentencePieceVocabulary vocabulary,
        Optional<String> beginOfSequence,
        Optional<String> endOfSequence) {

    private static final int UNIGRAM = 1;
    private static final int BPE = 2;

    /// @throws EngineException `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming file and field
    static SentencePieceFile parse(Path file, byte[] bytes) {
        return new Reader(file).read(bytes);
    }

    private static final class Reader {
        private final Path file;
        private final List<Piece> pieces = new ArrayList<>();
        private int modelType = UNIGRAM;
        private String begin = "<s>";
        private String end = "</s>";
        private boolean addDummyPrefix = true;
        private boolean removeExtraWhitespaces = true;
        private byte[] charsmap = {};

        Reader(Path file) {
            this.file = file;
        }

        SentencePieceFile read(byte[] bytes) {
            ProtobufReader model = new ProtobufReader(file, bytes);
            while (model.next()) {
                switch (model.field()) {
                    case 1 -> piece(model.message("pieces[" + pieces.size() + "]"));
                    case 2 -> trainer(model.message("trainer_spec"));
                    case 3 -> normalizer(model.message("normalizer_spec"));
                    case 5 -> denormalizer(model.message("denormalizer_spec"));
                    default -> model.skip();
                }
            }
            if (pieces.isEmpty()) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, file + ": has no pieces: no SentencePiece model");
            }
            Algorithm algorithm =
                    switch (modelType) {
                        case UNIGRAM -> Algorithm.UNIGRAM;
                        case BPE -> Algorithm.BPE;
                        default -> throw unsupported("trainer_spec.model_type", modelType);
                    };
            return new SentencePieceFile(
                    new SentencePieceVocabulary(
                            file.toString(),
                            algorithm,
                            pieces,
                            addDummyPrefix,
                            removeExtraWhitespaces,
                            charsmap),
                    control(begin),
                    control(end));
        }

        private Optional<String> control(String text) {
            return pieces.stream()
                    .filter(piece -> piece.kind() == Kind.CONTROL && piece.text().equals(text))
                    .map(Piece::text)
                    .findFirst();
        }

        private void piece(ProtobufReader message) {
            String text = "";
            float score = 0;
            Kind kind = Kind.NORMAL;
            while (message.next()) {
                switch (message.field()) {
                    case 1 -> text = message.text("piece");
                    case 2 -> score = message.float32("score");
                    case 3 -> {
                        int code = message.int32("type");
                        if (code < 1 || code > Kind.values().length) {
                            throw message.unreadable("type is " + code + ", expected 1 to 6");
                        }
                        kind = Kind.ofCode(code);
                    }
                    default -> message.skip();
                }
            }
            pieces.add(new Piece(text, score, kind));
        }

        private void trainer(ProtobufReader message) {
            while (message.next()) {
                switch (message.field()) {
                    case 3 -> modelType = message.int32("model_type");
                    case 24 -> refuse(message.bool("treat_whitespace_as_suffix"), message, true);
                    case 46 -> begin = message.text("bos_piece");
                    case 47 -> end = message.text("eos_piece");
                    default -> message.skip();
                }
            }
        }

        private void normalizer(ProtobufReader message) {
            while (message.next()) {
                switch (message.field()) {
                    case 2 -> charsmap = message.bytes("precompiled_charsmap");
                    case 3 -> addDummyPrefix = message.bool("add_dummy_prefix");
                    case 4 -> removeExtraWhitespaces = message.bool("remove_extra_whitespaces");
                    case 5 -> refuse(message.bool("escape_whitespaces"), message, false);
                    default -> message.skip();
                }
            }
            if (charsmap.length > 0) {
                Charsmap.check(file, charsmap);
            }
        }

        private void denormalizer(ProtobufReader message) {
            while (message.next()) {
                if (message.field() == 2 && message.bytes("precompiled_charsmap").length > 0) {
                    throw unsupported("denormalizer_spec.precompiled_charsmap", "not empty");
                }
                message.skip();
            }
        }

        private void refuse(boolean value, ProtobufReader message, boolean refused) {
            if (value == refused) {
                throw unsupported(message.name(), value);
            }
        }

        private EngineException unsupported(String field, Object value) {
            return new EngineException(
                    Reason.UNSUPPORTED, file + ": " + field + " is " + value + ", not supported");
        }
    }
}

package dev.tokenlog.engine.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SortedSet;

/// A model's tokenizer as a `tokenizer.json`, run by the library of its authors. Safe for use by
/// several threads at once; whoever opened it closes it after its last use.
public final class ModelTokenizer implements AutoCloseable {

    /// Nothing is cut and nothing is padded, whatever the file says: a prompt that is too long is
    /// refused by whoever knows the context, never shortened.
    private static final Map<String, String> OPTIONS =
            Map.of("truncation", "do_not_truncate", "padding", "do_not_pad");

    static {
        // Read by the library when it is first used: without these it may look for a GPU flavour to
        // download, or tell its authors that it is in use.
        setUnlessGiven("ai.djl.offline", "true");
        setUnlessGiven("RUST_FLAVOR", "cpu");
        setUnlessGiven("OPT_OUT_TRACKING", "true");
    }

    private final Path path;
    private final HuggingFaceTokenizer library;
    private final TokenizerFile file;
    private final SortedSet<Integer> endOfSequence;
    private final Optional<String> warning;

    private ModelTokenizer(
            Path path,
            HuggingFaceTokenizer library,
            TokenizerFile file,
            SortedSet<Integer> endOfSequence,
            Optional<String> warning) {
        this.path = path;
        this.library = library;
        this.file = file;
        this.endOfSequence = Collections.unmodifiableSortedSet(endOfSequence);
        this.warning = warning;
    }

    private static void setUnlessGiven(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    /// Opens the tokenizer of a model folder: `tokenizer.json`, else the translation of
    /// `tokenizer.model` or of `vocab.json` with `merges.txt`; and beside it, where they exist,
    /// `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json` and
    /// `config.json` for the special tokens.
    ///
    /// A `tokenizer.json` that the library refuses gives way to a `tokenizer.model` beside it;
    /// [#warning] says so then.
    ///
    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming the
    ///   file
    public static ModelTokenizer open(Path folder) {
        TokenizerSource source = TokenizerSource.read(folder);
        try {
            return open(folder, source, Optional.empty());
        } catch (EngineException e) {
            if (e.reason() != Reason.SOURCE_UNREADABLE
                    || !source.file().endsWith(TokenizerSource.JSON)
                    || !TokenizerSource.hasTranslation(folder)) {
                throw e;
            }
            TokenizerSource instead = TokenizerSource.translate(folder);
            return open(
                    folder,
                    instead,
                    Optional.of(
                            "%s is used in place of a broken file: %s"
                                    .formatted(instead.file(), e.getMessage())));
        }
    }

    private static ModelTokenizer open(
            Path folder, TokenizerSource source, Optional<String> warning) {
        TokenizerFile file = TokenizerFile.parse(source.file(), source.json());
        String json = source.json();
        List<AddedToken> missing = SpecialTokens.of(folder).missing(file);
        if (!missing.isEmpty()) {
            json = TokenizerJson.withAddedTokens(json, missing);
            file = TokenizerFile.parse(source.file(), json);
        }
        SortedSet<Integer> ends = SpecialTokens.endOfSequence(folder, file.ids());
        HuggingFaceTokenizer library = load(source.file(), json);
        return new ModelTokenizer(source.file(), library, file, ends, warning);
    }

    private static HuggingFaceTokenizer load(Path path, String content) {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), OPTIONS);
        } catch (LinkageError e) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "the tokenizer library does not load on this machine: " + e.getMessage(),
                    e);
        } catch (ai.djl.engine.EngineException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    "the tokenizer library cannot be unpacked (set DJL_CACHE_DIR to a folder that"
                            + " can be written): "
                            + e.getMessage(),
                    e);
        } catch (IOException | RuntimeException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    path + ": is no tokenizer that the library reads: " + e.getMessage(),
                    e);
        }
    }

    /// What a user should know about where this tokenizer comes from, if anything.
    public Optional<String> warning() {
        return warning;
    }

    /// @param addSpecial whether the tokenizer adds what it adds by itself (for instance a
    ///   beginning of sequence); false for text that a chat template made
    /// @throws EngineException `MODEL_UNREADABLE` if the tokenizer contradicts itself, for instance
    ///   lacks the token that it names for unknown text
    public int[] encode(String text, boolean addSpecial) {
        long[] ids;
        try {
            ids = encodeOnce(wellFormed(text), addSpecial);
        } catch (RuntimeException e) {
            throw new EngineException(
                    Reason.MODEL_UNREADABLE,
                    path + ": the tokenizer cannot read a text: " + e.getMessage(),
                    e);
        }
        return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
    }

    /// The library's own `encode` fetches tokens, places and masks as well, each into objects of
    /// its own: three quarters of its time.
    private long[] encodeOnce(String text, boolean addSpecial) {
        try {
            long encoding = TokenizersLibrary.LIB.encode(library.getHandle(), text, addSpecial);
            try {
                return TokenizersLibrary.LIB.getTokenIds(encoding);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            Reference.reachabilityFence(library);
        }
    }

    /// Half of a surrogate pair is no character; UTF-8 cannot carry it.
    private static String wellFormed(String text) {
        boolean pairs = text.chars().anyMatch(c -> Character.isSurrogate((char) c));
        return pairs
                ? new String(
                        text.codePoints()
                                .map(c -> c >= 0xd800 && c <= 0xdfff ? 0xfffd : c)
                                .toArray(),
                        0,
                        text.codePointCount(0, text.length()))
                : text;
    }

    /// The text of ids, an unfinished character at the end included, as U+FFFD.
    ///
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE`, naming an id that has no token
    public String decode(int[] ids, boolean skipSpecial) {
        for (int id : ids) {
            if (token(id).isEmpty()) {
                throw new EngineException(
                        Reason.PARAMETER_OUT_OF_RANGE,
                        "token id %d is not in the vocabulary of %s, which has %d"
                                .formatted(id, path, vocabularySize()));
            }
        }
        return library.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecial);
    }

    /// One more than the highest token id.
    public int vocabularySize() {
        return file.tokens().length;
    }

    public Optional<String> token(int id) {
        return id < 0 || id >= file.tokens().length
                ? Optional.empty()
                : Optional.ofNullable(file.tokens()[id]);
    }

    public OptionalInt id(String token) {
        Integer id = file.ids().get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /// Whether a token has no text: it is marked special, or it ends a sequence.
    public boolean isSpecial(int id) {
        return id >= 0 && (file.special().get(id) || endOfSequence.contains(id));
    }

    /// The ids that end a generation, ascending.
    public Set<Integer> endOfSequence() {
        return endOfSequence;
    }

    /// A detokenizer for one generation.
    public StreamingDetokenizer detokenizer() {
        return new StreamingDetokenizer(this, file.tokenText());
    }

    @Override
    public void close() {
        library.close();
    }
}

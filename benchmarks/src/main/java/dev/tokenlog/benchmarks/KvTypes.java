package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import dev.tokenlog.engine.evaluate.HeldOutText;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.KvPages;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What keys and values in 8, 16 and 32 bit take and what they cost in accuracy: one table.
///
/// `KvTypes --model FOLDER [--text FILE] [--baseline FOLDER] [--recipe int4] [--tokens 20000]
/// [--compute auto] [--threads 2]`
///
/// The text is JSON lines with `messages`. Without a recipe the weights are those of the source, so
/// that the difference is the cache's alone; the baseline, a source, keeps keys and values as
/// computed.
public final class KvTypes {

    private static final int LONGEST = 512;

    private KvTypes() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        Path baseline = Path.of(options.getOrDefault("baseline", options.get("model")));
        CpuOptions cpu =
                CpuOptions.automatic()
                        .withCompute(options.getOrDefault("compute", "auto"))
                        .withThreads(BenchmarkModels.number(options, "threads", 2));
        try (Model model = BenchmarkModels.open(options);
                SourceModel source = SourceModel.open(baseline);
                CpuExecutor reference = CpuExecutor.open(source, cpu.withKv(KvType.KV32))) {
            List<int[]> documents = documents(baseline, options);
            System.out.println(
                    "| numerics id | bytes a token | mean divergence | 99.9 % | top 1 | perplexity |");
            System.out.println("|---|---|---|---|---|---|");
            for (KvType kv : List.of(KvType.KV32, KvType.KV16, KvType.KV8)) {
                try (CpuExecutor executor = CpuExecutor.open(model, cpu.withKv(kv))) {
                    KvPages pages = executor.kvPages();
                    ComparisonReport report =
                            ModelComparison.compare(
                                    executor, reference, documents, (done, of) -> true);
                    System.out.printf(
                            Locale.ROOT,
                            "| %s | %d | %.3g | %.3g | %.3f %% | %.4f |%n",
                            executor.numericsId(),
                            pages.pageBytes() / pages.positions(),
                            report.meanDivergence(),
                            report.divergence999(),
                            100 * report.top1Agreement(),
                            report.quantizedPerplexity());
                }
            }
        }
    }

    private static List<int[]> documents(Path folder, Map<String, String> options) {
        Path text = Path.of(options.getOrDefault("text", "demo-model/heldout.jsonl"));
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            return HeldOutText.read(
                    text,
                    ChatTemplate.open(folder),
                    tokenizer,
                    LONGEST,
                    BenchmarkModels.number(options, "tokens", 20_000));
        }
    }
}

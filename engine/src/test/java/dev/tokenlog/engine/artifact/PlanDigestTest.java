package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.ModelPlans;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The plan is part of the model digest: what is new in it for one family changes no model of
/// another. These are digests from before there was a second family; an artifact made then must
/// still open.
class PlanDigestTest {

    @ParameterizedTest
    @CsvSource({
        "llama, f6fc4d8d83474863496b20f2912803942c9cbbfe672a8b9c35c3e2f6075b664f",
        "llama-3.2, 4079e6a9c56f64ef327e9bc951f52c378a7400b98e4bcb2fefadaad36f743097",
        "llama-new-dialect, c5a2fac366757d99a81ad68299103a79545429f760042dfd57be86219b2ca33d",
        "bundled, 3de088c09eaf4d8bf089ac4d45f695f4cfb9fbadf690207d8abc59b3362b092e"
    })
    void plansOfTheFirstFamilyHaveTheirFirstDigests(String model, String digest) {
        Path folder = model.equals("bundled") ? TestFiles.demoModel() : TestFiles.golden(model);

        assertThat(Digests.plan(ModelPlans.read(folder.resolve("config.json")))).isEqualTo(digest);
    }
}

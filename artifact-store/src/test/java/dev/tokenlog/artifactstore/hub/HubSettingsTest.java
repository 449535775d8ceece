package dev.tokenlog.artifactstore.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {

    @TempDir Path home;

    private HubSettings of(String... variables) {
        Map<String, String> environment = new HashMap<>();
        for (int i = 0; i < variables.length; i += 2) {
            environment.put(variables[i], variables[i + 1]);
        }
        return HubSettings.of(environment, home);
    }

    private String origin(String... variables) {
        return of(variables).token().map(HubToken::origin).orElse("none");
    }

    private static String value(HubSettings settings) {
        return settings.token().orElseThrow().authorization();
    }

    @Test
    void withoutVariablesTheUsualPlacesAreMeant() {
        HubSettings settings = of();
        assertThat(settings.endpoint()).hasToString("https://huggingface.co");
        assertThat(settings.cache()).isEqualTo(home.resolve(".cache/huggingface/hub"));
        assertThat(settings.token()).isEmpty();
        assertThat(settings.offline()).isFalse();
        assertThat(settings.links()).isTrue();
    }

    @Test
    void theCacheFollowsTheVariablesOfTheHubsOwnClient() {
        assertThat(of("XDG_CACHE_HOME", "/x").cache()).hasToString("/x/huggingface/hub");
        assertThat(of("HF_HOME", "/h", "XDG_CACHE_HOME", "/x").cache()).hasToString("/h/hub");
        assertThat(of("HF_HOME", "~/h").cache()).isEqualTo(home.resolve("h/hub"));
        assertThat(of("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/old").cache())
                .hasToString("/old");
        assertThat(of("HF_HUB_CACHE", "/c", "HUGGINGFACE_HUB_CACHE", "/old").cache())
                .hasToString("/c");
        assertThat(of("HF_ENDPOINT", "http://mirror.example/hf/").endpoint())
                .hasToString("http://mirror.example/hf");
    }

    @Test
    void theTokenComesFromTheVariablesAndThenFromTheFile() throws Exception {
        Files.createDirectories(home.resolve(".cache/huggingface"));
        Files.writeString(home.resolve(".cache/huggingface/token"), "hf_ofTheFile\n");
        Path other = Files.writeString(home.resolve("other"), "hf_other");

        assertThat(value(of())).isEqualTo("Bearer hf_ofTheFile");
        assertThat(value(of("HF_TOKEN_PATH", other.toString()))).isEqualTo("Bearer hf_other");
        assertThat(origin("HF_TOKEN", "hf_a", "HUGGINGFACE_HUB_TOKEN", "hf_b"))
                .isEqualTo("HF_TOKEN");
        assertThat(value(of("HUGGINGFACE_HUB_TOKEN", " hf_b\n"))).isEqualTo("Bearer hf_b");
        assertThat(value(of("HUGGING_FACE_HUB_TOKEN", "hf_c"))).isEqualTo("Bearer hf_c");
        assertThat(origin("HF_TOKEN", "")).endsWith("token");
        assertThat(origin("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).isEqualTo("none");
    }

    @Test
    void proxiesOfTheEnvironmentAreAskedForWhatIsNotExcepted() {
        HubSettings settings =
                of(
                        "HTTPS_PROXY", "http://proxy.example:3128",
                        "http_proxy", "other.example:8080",
                        "NO_PROXY", "inside.example, .corp");
        ProxySelector proxies = settings.proxies().orElseThrow();
        assertThat(proxies.select(URI.create("https://huggingface.co/x")).toString())
                .contains("proxy.example")
                .contains("3128");
        assertThat(proxies.select(URI.create("http://huggingface.co/x")).toString())
                .contains("other.example")
                .contains("8080");
        for (String direct :
                List.of(
                        "https://inside.example/x",
                        "https://a.inside.example/x",
                        "https://hub.corp/x",
                        "http://127.0.0.1:99/x",
                        "http://localhost/x")) {
            assertThat(proxies.select(URI.create(direct))).containsExactly(Proxy.NO_PROXY);
        }
        assertThat(proxies.select(URI.create("https://notinside.example/x")))
                .doesNotContain(Proxy.NO_PROXY);
        assertThat(of().proxies()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"socks5://p:1", "http://user:secret@p:1", "http://", "::"})
    void aProxyThatWeCannotUseIsNamedAndNotPassedBy(String proxy) {
        assertThatThrownBy(() -> of("HTTPS_PROXY", proxy))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("HTTPS_PROXY")
                .hasMessageNotContaining("secret");
    }

    @Test
    void nothingPrintsTheToken() {
        HubSettings settings = of("HF_TOKEN", "hf_secret");
        assertThat(settings.toString()).doesNotContain("hf_secret").contains("token of HF_TOKEN");
        assertThat(new Hub(settings).toString()).doesNotContain("hf_secret");
    }

    @ParameterizedTest
    @ValueSource(strings = {"hf_two\nlines", "hf with space", "hf_\u0007", "hf_\u00fc"})
    void whatIsNoTokenIsRefusedWithoutBeingShown(String token) {
        assertThatThrownBy(() -> of("HF_TOKEN", token))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("HF_TOKEN")
                .hasMessageNotContaining("hf");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "ON", "yes", "True"})
    void offlineIsWhatTheHubsOwnClientTakesForTrue(String value) {
        assertThat(of("HF_HUB_OFFLINE", value).offline()).isTrue();
        assertThat(of("TRANSFORMERS_OFFLINE", value).offline()).isTrue();
        assertThat(of("HF_HUB_OFFLINE", "0").offline()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "huggingface.co",
                "ftp://x",
                "http://",
                "http://u:p@x",
                "http://x?a=b",
                "::"
            })
    void anEndpointThatIsNoneIsNamed(String endpoint) {
        assertThatThrownBy(() -> of("HF_ENDPOINT", endpoint))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("HF_ENDPOINT");
    }
}

package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KvType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KvBudgetTest {

    @ParameterizedTest
    @CsvSource({
        "1, 1",
        "123456, 123456",
        "10k, 10240",
        "800M, 838860800",
        "2G, 2147483648",
        "1T, 1099511627776",
        "999999999999T, 9223372036854775807"
    })
    void readsSizes(String size, long bytes) {
        assertThat(KvBudget.bytes(size)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-1", "0", "0G", "2 G", "2GB", "1.5G", "all"})
    void refusesWhatIsNoSize(String size) {
        assertThatThrownBy(() -> KvBudget.bytes(size))
                .isInstanceOf(EngineException.class)
                .hasMessage(
                        "tokenlog.kv.budget is '%s', expected bytes, such as 800M or 2G"
                                .formatted(size));
    }

    @Test
    void namesTheTypesThatThereAre() {
        assertThat(KvType.of("kv8")).isEqualTo(KvType.KV8);
        assertThatThrownBy(() -> KvType.of("KV8"))
                .isInstanceOf(EngineException.class)
                .hasMessage("tokenlog.kv.type is 'KV8', expected kv8, kv16 or kv32");
    }
}

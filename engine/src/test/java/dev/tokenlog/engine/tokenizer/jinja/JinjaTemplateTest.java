package dev.tokenlog.engine.tokenizer.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JinjaTemplateTest {

    private static final Instant NOON = Instant.parse("2025-07-10T12:00:00Z");

    /// `jinja-cases.json` is made by `jinja-cases.py` with Python's jinja2: our templates, its
    /// texts.
    @TestFactory
    Stream<DynamicTest> rendersAsPythonDoes() throws IOException {
        return cases("/jinja/jinja-cases.json");
    }

    /// The same for templates that `jinja-random.py` made of the grammar.
    @TestFactory
    Stream<DynamicTest> rendersRandomTemplatesAsPythonDoes() throws IOException {
        return cases("/jinja/jinja-random.json");
    }

    private static Stream<DynamicTest> cases(String resource) throws IOException {
        try (InputStream in = JinjaTemplateTest.class.getResourceAsStream(resource)) {
            JsonNode file = TestMaterial.JSON.readTree(in);
            return StreamSupport.stream(file.path("cases").spliterator(), false)
                    .map(c ->
                            DynamicTest.dynamicTest(
                                    c.path("template").toString(),
                                    () -> check(c, file.path("data"))));
        }
    }

    private static void check(JsonNode c, JsonNode variables) {
        Map<String, Object> data =
                TestMaterial.JSON.convertValue(variables, new TypeReference<>() {});
        String source = c.path("template").textValue();
        if (c.path("fails").booleanValue()) {
            assertThatExceptionOfType(TemplateException.class)
                    .isThrownBy(() -> JinjaTemplate.parse(source).render(data, NOON));
        } else {
            assertThat(JinjaTemplate.parse(source).render(data, NOON))
                    .isEqualTo(c.path("text").textValue());
        }
    }

    @Test
    void namesTheLine() {
        String template =
                "{% if true %}\n\n{{ raise_exception('roles must alternate') }}{% endif %}";
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> render(template))
                .withMessage("roles must alternate")
                .satisfies(e -> assertThat(e.line()).isEqualTo(3));
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> JinjaTemplate.parse("a\n{{ x | nosuch }}"))
                .withMessage("there is no filter 'nosuch'")
                .satisfies(e -> assertThat(e.line()).isEqualTo(2));
    }

    @Test
    void namesTheTagThatOpensABlockWithoutEnd() {
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> JinjaTemplate.parse("a\n{% if x %}"))
                .withMessage("a block is not closed by [elif, else, endif]")
                .satisfies(e -> assertThat(e.line()).isEqualTo(2));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
                "{% set n = namespace(t='x') %}{% for a in range(99999) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
                "{% set n = namespace(t=[1]) %}{% for a in range(99999) %}{% set n.t = n.t + n.t %}{% endfor %}",
                "{% set n = namespace(t=[1]) %}{% for a in range(99) %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.t }}",
                "{% set n = namespace(t=[1]) %}{% for a in range(99) %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.t | tojson }}",
                "{% set n = namespace(t=[1], u=[1]) %}{% for a in range(40) %}{% set n.t = [n.t, n.t] %}{% set n.u = [n.u, n.u] %}{% endfor %}{{ n.t == n.u }}",
                "{% set n = namespace() %}{% set n.a = n %}{{ n }}",
                "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
                "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
                "{{ 'x' * 9999999999 }}",
                "{{ range(9999999999) }}",
                "{{ ('x' * 9999999).replace('x', 'yyyyyyyyyyy') }}",
                "{{ ('x' * 99999) | indent(999999999) }}",
                "{{ 9 ** 999999999 }}",
                "{{ [1] * 999999999 }}",
                "{{ 'a' | map(*(['map'] * 100000)) | list }}",
                "{% set ns = namespace(l=[]) %}{% set s = 'a' * 16000000 %}{% for i in range(1000) %}{% set ns.l = ns.l + [s.upper()] %}{% endfor %}",
                "{% set s = 'a' * 16000000 %}{% for i in range(99999) %}{% if s.isalpha() %}{% endif %}{% endfor %}",
                "{% set s = 'a' * 1000000 %}{{ ([[1] * 15] * 10000) | map('tojson', separators=(s, s)) | list | length }}",
                "{% set n = namespace(l=[]) %}{% set d = dict() %}{% for i in range(9999) %}{% set n.l = n.l + [range(50000) | list] %}{% endfor %}",
                "{{ [] | sort(attribute='a,' * 8000000) }}",
                "{{ [1] * 9223372036854775807 }}",
                "{{ 'x'.center(9999999999) }}",
                "{{ 'x'.zfill(9223372036854775807) }}",
                "{{ '%999999999s' % 'x' }}",
                "{{ '{:>999999999}'.format('x') }}",
                "{{ ('{}' * 8000000).format(1) }}",
                "{{ ('%s' * 100000) % (['x'] * 10) }}",
                "{{ [1] | slice(999999999) | list }}",
                "{{ [1] | batch(999999999, 'x') | list }}",
                "{{ range(*(range(99999) | list)) }}",
                "{% macro f() %}{{ varargs | length }}{% endmacro %}{% for a in range(99) %}{{ f(*range(99999)) }}{% endfor %}",
                "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
                "{{ [] | tojson(indent=999999999) }}",
                "{{ 'a' * 10 ** 9 }}",
                "{{ range(10 ** 12) | list }}",
                "{{ ('\\n' * 9999999) | indent }}",
                "{{ ('%A' * 8000000) and strftime_now('%A' * 8000000) }}",
                "{% for a in range(99) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
                "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
                "{% set n = namespace(t=[]) %}{% for a in range(99999) %}{% set n.t = n.t + ['x' * 99999] %}{% endfor %}",
                "{{ (('x' * 9999999) | list) | join('y' * 99) }}",
                "{{ ('x ' * 8000000).split() | length }}",
                "{{ ('x' * 9999999) | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson | tojson }}",
                "{{ ('x' * 9999999).title() | upper | capitalize | lower | trim | title | upper | lower | title | upper | lower | title | upper | lower }}",
                "{% for a in range(99999) %}{{ range(99999) | sort | length }}{% endfor %}",
            })
    void boundsWhatATemplateComputes(String template) {
        Assertions.assertTimeoutPreemptively(
                Duration.ofSeconds(60),
                () ->
                        assertThatExceptionOfType(TemplateException.class)
                                .isThrownBy(() -> render(template)));
    }

    /// Long parts of long texts are found in time that grows with the text, and what is nested is
    /// not hashed: each of these would take hours.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ ('a' * 8000000).find('a' * 4000000 ~ 'b') }}",
                "{{ ('a' * 4000000 ~ 'b') in ('a' * 8000000) }}",
                "{{ ('a' * 8000000).rsplit('b' ~ 'a' * 4000000, 1) | length }}",
                "{{ ('a' * 8000000).replace('a' * 4000000 ~ 'b', '') | length }}",
                "{{ ('a' * 8000000).strip('b' * 8000000 ~ 'a') }}",
                "{% set ns = namespace(x=(1, 1)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ ns.x in {1: 1} }}{{ {1: 1}[ns.x] }}",
                "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns in {1: 1} }}",
                "{% set s = 'a' * 16000000 %}{{ ([{}] * 100000) | map(attribute=s) | list | length }}",
            })
    void takesNoLongerThanItsTextIs(String template) {
        Assertions.assertTimeoutPreemptively(
                Duration.ofSeconds(60), () -> renderOrRefuse(template));
    }

    /// Whatever stands where an argument is expected: a text or a [TemplateException].
    @Test
    void takesAnyArguments() {
        java.util.Random random = new java.util.Random(11);
        for (int i = 0; i < 100_000; i++) {
            String template = "{{ " + OddCalls.expression(random) + " }}";
            assertThatCode(() -> renderOrRefuse(template)).as(template).doesNotThrowAnyException();
        }
    }

    private static void renderOrRefuse(String template) {
        try {
            render(template);
        } catch (TemplateException refused) {
            assertThat(refused.getMessage()).isNotBlank();
        }
    }

    @Test
    void boundsNesting() {
        for (String opening : new String[] {"(", "[", "-", "not ", "{1:", "a[", "f(", "'x' if "}) {
            String template = "{{ " + opening.repeat(100_000) + "1";
            assertThatExceptionOfType(TemplateException.class).isThrownBy(() -> render(template));
        }
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> render("{% if 1 %}".repeat(100_000)));
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> render("{{ 1" + "+ 1".repeat(100_000) + " }}"));
    }

    /// Anything at all is a text or a [TemplateException], and soon.
    @Test
    void survivesDamage() {
        String template =
                "{%- macro m(a, b=2) %}{{ a[::-1] | join('-') }}{% endmacro -%}\n"
                        + "{% for k, v in d.items() if v is not none %}{{ loop.index ~ k|upper }}: {{ m(v, b=1) }}"
                        + " {%+ set x = [1, 'zwei', 3.5] %}{# c #}{{ {'a': x[1:]} | tojson(indent=2) }}{% endfor %}";
        java.util.Random random = new java.util.Random(7);
        String alphabet = "{}%#-+()[]|'\" .:,~abmx01\n";
        for (int i = 0; i < 3000; i++) {
            StringBuilder damaged = new StringBuilder(template);
            for (int n = 1 + random.nextInt(4); n > 0; n--) {
                int at = random.nextInt(damaged.length());
                char c = alphabet.charAt(random.nextInt(alphabet.length()));
                switch (random.nextInt(3)) {
                    case 0 -> damaged.deleteCharAt(at);
                    case 1 -> damaged.insert(at, c);
                    default -> damaged.setCharAt(at, c);
                }
            }
            try {
                JinjaTemplate.parse(damaged.toString())
                        .render(Map.of("d", Map.of("k", "value")), NOON);
            } catch (TemplateException e) {
                assertThat(e.getMessage()).isNotBlank();
            }
        }
    }

    private static String render(String template) {
        return JinjaTemplate.parse(template).render(Map.of(), NOON);
    }
}

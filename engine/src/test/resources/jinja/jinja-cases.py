"""Makes jinja-cases.json: our templates, rendered by Python's jinja2 as Hugging Face transformers configures it.

    pip install jinja2 && python3 jinja-cases.py > jinja-cases.json
"""

import copy
import json
import sys
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """The generation tag of transformers, without the tracking of offsets."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = datetime(2025, 7, 10, 12, 0, 0).strftime

DATA = {
    "s": "Hello, Wörld! 🦊",
    "blank": " \t pad \n ",
    "n": 7,
    "neg": -7,
    "x": 2.5,
    "yes": True,
    "no": False,
    "nil": None,
    "list": [3, 1, 2],
    "words": ["pear", "Apple", "fig"],
    "empty": [],
    "map": {"b": 1, "a": [1, {"c": None}], "items": "shadow"},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi <b> & 'you'"},
        {"role": "assistant", "content": "Yo \"quoted\"\n"},
        {"role": "user", "content": [{"type": "text", "text": "part"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"é": 1.0, "list": [True, None]}}}],
}

TEMPLATES = r"""
plain text
{{ s }}
{{ nil }} {{ yes }} {{ no }} {{ n }} {{ x }} {{ list }} {{ map }} {{ undefined_name }}|
{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e-7 }} {{ 100000000000000000000.0 }} {{ 0.1 + 0.2 }} {{ 3.0 * 2 }} {{ 7 % 2.5 }}
{{ 'a' ~ 1 ~ none ~ true ~ [1, 'x'] }} {{ 'a' 'b' }} {{ "it's" }} {{ 'a\n\tb\\ \x41 \u00e9 \d' }}
{{ ["it's", 'a"b', 'c\'d"e', 'tab\t', 'ünï', '\x00', 1.0, none, true, (1,), (1, 2), ()] }}
{{ 'x' * 3 }} {{ [1] + [2] }} {{ (1, 2) + (3,) }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' in 'cat' }} {{ 4 not in list }} {{ 'b' in map }} {{ none == false }} {{ true == 1 }} {{ 'z' in undefined_name }}
{{ not yes }} {{ not yes or yes }} {{ yes and 'last' }} {{ no or 'other' }} {{ '' or [] }} {{ not not n }}
{{ 'a' if yes else 'b' }} {{ 'a' if no }}| {{ 'a' if no else 'b' if no else 'c' }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[:-2] }} {{ s[100:] }}| {{ list[1:] }} {{ list[::-1] }} {{ list[-2:] }} {{ list[5] }}| {{ list[::2] }} {{ list[2:0:-1] }} {{ s | length }}
{{ map.b }} {{ map['a'] }} {{ map.a[1].c }} {{ map['items'] }} {{ map.missing }}| {{ map['missing'] is defined }} {{ map.get('b') }} {{ map.get('q', 'dflt') }} {{ map.get('q') }}
{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in map %}{{ k }}{% endfor %} {% for c in 'añ🦊' %}[{{ c }}]{% endfor %}
{% for i in list %}{{ loop.index }}/{{ loop.length }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.previtem }} {{ loop.nextitem }} {{ loop.cycle('odd', 'even') }} {{ loop.depth }};{% endfor %}
{% for i in [1, 1, 2, 2] %}{{ loop.changed(i) }} {% endfor %}
{% for i in empty %}x{% else %}none at all{% endfor %}
{% for i in list if i > 1 %}{{ loop.index }}:{{ i }} {% else %}no{% endfor %}
{% for i in list %}{% for j in list %}{{ loop.depth }}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% set a = 1 %}{% for i in list %}{{ a }}{% set a = a + i %}{{ a }} {% endfor %}{{ a }}
{% set ns = namespace(total=0, seen=[]) %}{% for i in list %}{% set ns.total = ns.total + i %}{% set ns.seen = ns.seen + [i] %}{% endfor %}{{ ns.total }} {{ ns.seen }} {{ ns.nothing }}|
{% if no %}{% set z = 1 %}{% else %}{% set z = 2 %}{% endif %}{{ z }}
{% set a, b = 1, 'two' %}{{ b }}{{ a }} {% set t = (1, 2) %}{{ t }} {% set (c, d) = t %}{{ c + d }}
{% set block %}  captured {{ n }} {% endset %}[{{ block }}]{% set f | upper | trim %} shout {% endset %}[{{ f }}]
{% filter upper %}loud {{ s }}{% endfilter %}
{% with q = n, r = 2 %}{{ q * r }}{% endwith %}{{ q }}|
{% macro m(a, b='B', c=none) %}<{{ a }}|{{ b }}|{{ c }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(c=3, a=1) }}{{ m() }}
{% macro fib(i) %}{{ i if i < 2 else fib(i - 1) | int + fib(i - 2) | int }}{% endmacro %}{{ fib(7) }}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('p') %}body {{ n }}{% endcall %}
{% macro each(items) %}{% for i in items %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(x, y=0) each(list) %}({{ x }},{{ y }}){% endcall %}
{% set later = 'old' %}{% macro show() %}{{ later }}{% endmacro %}{% set later = 'new' %}{{ show() }}
{% generation %}written by the assistant{% endgeneration %}
{% raw %}{{ not }} {% rendered %} {# at all #}{% endraw %} after
a {# comment {{ n }} #} b
  {% if yes %}  
    kept  
  {% endif %}  
tail
{%- if yes -%}   glued   {%- endif -%}   end
x   {{- n -}}   y
x   {%+ if yes %}   kept{% endif +%}
z
{{ {'a': {'b': 1}}['a']['b'] }}{{ {} }} {{ {'k': [1, 2,], } }} {{ "}}" }} {% if "%}" %}ok{% endif %}
{{ blank | trim }}| {{ blank.strip() }}| {{ blank.lstrip() }}| {{ blank.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'xyax'.lstrip('yx') }} {{ 'xxa' | trim('x') }}
{{ s.upper() }} {{ s.lower() }} {{ 'hello wORLD it\'s 3rd' .title() }} {{ 'hello wORLD it\'s x-ray' | title }} {{ 'hELLO' | capitalize }} {{ 'hELLO'.capitalize() }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'x'.split(',') }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a\nb\n'.splitlines() }}
{{ s.startswith('Hell') }} {{ s.endswith(('x', '🦊')) }} {{ 'banana'.replace('a', 'o') }} {{ 'banana'.replace('a', 'o', 2) }} {{ 'ab'.replace('', '-') }} {{ 'banana' | replace('na', 'NA', 1) }} {{ 'banana'.count('an') }} {{ 'banana'.find('n') }} {{ 'banana'.rfind('n') }} {{ 'banana'.find('z') }}
{{ ', '.join(words) }} {{ words | join }} {{ list | join('-') }} {{ messages | join(', ', attribute='role') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'aB'.islower() }} {{ 'a1'.isalnum() }}
{{ list | first }} {{ list | last }} {{ empty | first }}| {{ list | length }} {{ list | count }} {{ list | sort }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ list | sort(reverse=true) }} {{ list | reverse | list }} {{ list | max }} {{ list | min }} {{ list | sum }} {{ ['a', 'A', 'b'] | unique | list }} {{ 'abc' | reverse }} {{ 'abc' | list }}
{{ messages | map(attribute='role') | list }} {{ words | map('upper') | list }} {{ words | map('replace', 'p', 'q') | list }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | join(' ') }} {{ [1, none, 0, 'a'] | select | list }} {{ [1, 'a', none] | reject('none') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ messages | map(attribute='nope', default='-') | join }}
{{ map | items | list }} {{ {'b': 2, 'a': 1} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ map.keys() | list }} {{ {'a': 1}.values() | list }} {{ dict(a=1, b='x') }}
{{ undefined_name | default('d') }} {{ nil | default('d') }} {{ '' | default('d', true) }} {{ nil | d('q', boolean=true) }} {{ n | default('d') }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} {{ ' 7 ' | int }} {{ '2.5' | float }} {{ 3 | float }} {{ 'x' | float }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 2.4 | round(method='ceil') }} {{ -3 | abs }} {{ 12 | string ~ 'x' }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2, true) }}| {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'one two  three' | wordcount }} {{ "<a href='x'>&\"" | e }} {{ '<b>' | safe }}
{{ map | tojson }} {{ tools | tojson }} {{ tools | tojson(indent=2) }} {{ map | tojson(separators=(',', ':')) }} {{ map | tojson(sort_keys=true) }} {{ 'é"\n\x1f/<>&\'' | tojson }} {{ 'é🦊' | tojson(ensure_ascii=true) }} {{ [] | tojson(indent=4) }} {{ {} | tojson }} {{ [1.0, 1e20, 2.5] | tojson }} {{ (1, 2) | tojson }}
{{ n is defined }} {{ q is defined }} {{ q is undefined }} {{ nil is none }} {{ s is string }} {{ map is mapping }} {{ list is iterable }} {{ s is iterable }} {{ n is iterable }} {{ list is sequence }} {{ map is sequence }} {{ n is number }} {{ yes is number }} {{ n is integer }} {{ yes is integer }} {{ x is float }} {{ yes is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ q is iterable }}
{{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is divisibleby(2) }} {{ n is eq 7 }} {{ n is gt 3 }} {{ n is not lt 3 }} {{ 'a' is in ['a'] }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ raise_exception is callable }} {{ n is sameas n }}
{{ not n is defined }} {{ n is not defined }} {{ n is defined and n > 3 }} {{ 'y' if n is defined else 'z' }} {{ n + 1 is number }} {{ (n is number) | string }}
{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %d %j %y %p %I %%') }} {{ strftime_now('%-d %-m') }}
{{ messages[0].role }} {{ messages[-1]['content'][0].text }} {{ messages.0.role }} {{ messages[1:] | length }} {{ messages[0]['nope'] is defined }}
{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}{{ m.role + ': ' }}{% if m.content is string %}{{ m.content | trim }}{% else %}{% for c in m.content if c.type == 'text' %}{{ c.text }}{% endfor %}{% endif %}{{ '\n' }}{% endfor %}
{{ 'a\nb\r\nc\x0bd'.splitlines() }} {{ 'a\nb\n'.splitlines(true) }} {{ 'a\nb'.splitlines(keepends=true) }} {{ 'banana'.find('a', 2) }} {{ 'banana'.find('a', 2, 3) }} {{ 'banana'.rfind('a', 0, -1) }} {{ 'ba'.find('', 3) }} {{ 'banana'.count('a', 2) }} {{ 'banana'.startswith('a', 1) }} {{ 'banana'.endswith('an', 0, 3) }} {{ 'aña'.index('a', 1) }} {{ 'banana'.rindex('a', -3) }}
{{ ' a  b c '.rsplit(none, 1) }} {{ 'a b'.rsplit() }} {{ 'a.b.c'.rsplit('.', maxsplit=1) }} {{ 'ab'.center(7) }}| {{ 'ab'.center(5, '*') }} {{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4, '0') }} {{ '-7'.zfill(4) }} {{ 'aBc'.swapcase() }} {{ '½'.isnumeric() }} {{ 'é'.isascii() }} {{ 'ß'.capitalize() }} {{ 'ßx ﬁn' | title }}
{{ '%s and %05.1f of %d%%' % ('x', 2.25, 7) }} {{ '%(a)s %(b)r' % {'a': 1, 'b': 'q'} }} {{ 'one %s' % list }} {{ '%s-%s' | format('a', 1) }} {{ '%(k)s' | format(k=none) }} {{ '%x %X %o %e %g' % (255, 255, 8, 12345.678, 0.0001) }} {{ '%-5s|%5s|%.2s' % ('a', 'b', 'cde') }}
{{ '{} {}'.format(1, 'x') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{k!r:>6}'.format(k='é') }} {{ '{:,} {:.2f} {:+d} {:x} {:%} {:^7}|{:08.3f}'.format(1234567, 2.345, 3, 255, 0.5, 'mid', -3.14159) }} {{ '{{}}'.format() }} {{ '{}'.format(none) }}
{{ 1 // 0.1 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 2 ** -1 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ (1,) * 2 }} {{ true + 1 }} {{ words[true] }}
{{ 3 | round }} {{ 2.5 | round }} {{ 1.1 | round(1, 'ceil') }} {{ -1.15 | round(1, method='floor') }} {{ 1234 | round(-2) }} {{ '1e3' | int }} {{ -0.3 | round }} {{ "it's a 3rd" | wordcount }} {{ true | abs }} {{ 12 | replace(1, 'x') }}
{{ 'a\r\nb\n' | indent(2, true) }}| {{ '\nb' | indent(2, first=true, blank=true) }} {{ [1, 2, 3, 4, 5] | batch(2, '-') | list }} {{ [1, 2, 3, 4, 5] | slice(3, 0) | list }} {{ 'x' | center(5) }}| {{ messages | sort(attribute='role,content') | map(attribute='role') | join(' ') if no else 'skipped' }} {{ tools | max(attribute='type') | length }}
{{ 'yes' if messages | selectattr('role', 'eq', 'nobody') else 'no' }} {{ messages | selectattr('role', '==', 'user') | first | length }} {% set g = list | map('string') %}{{ g | list }}{{ g | list }} {{ 2 in (list | select) }} {{ [3, 1] | select('>', 2) | list }} {{ none | map('upper') | list }} {{ (words | reverse) is iterable }}
{{ '<a>' | safe + '<b>' }} {{ '<a>' | safe ~ '<b>' }} {{ '<a>' | e + '"' }} {{ '<' | e | e }} {{ '<' | e | forceescape }} {% set m = 'x' | safe %}{{ m + '&' }} {{ '&' + m }} {{ m == 'x' }} {{ [m + 'y'] | join }}
{% macro v(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1) }} {{ v(1, 2, 3, k=4) }} {{ v(*list) }} {{ v(**{'a': 1, 'z': 2}) }} {{ v(0, *list, q=1) }} {{ range(*[1, 4]) | list }}
{% for i in list %}{% continue %}{% else %}none finished{% endfor %} {% for i in list %}{% break %}{% else %}broken{% endfor %} {% for i in list %}{% if i == 1 %}{% break %}{% endif %}{% else %}not shown{% endfor %}
{% if no %}{{ s | from_json }}{% elif no and s is nosuch %}{% else %}fine{% endif %} {% set comma = joiner() %}{% for i in list %}{{ comma() }}{{ i }}{% endfor %} {{ dict([['a', 1]], b=2) }} {{ 'upper' is filter }} {{ 2.0 is even }}
{% if yes %}{{ s | from_json }}{% endif %}
{{ 'a'.splitlines(1, 2) }}
{{ 'abc'.find('a', foo=1) }}
{{ 'x' | upper(1) }}
{{ [1] | length(2) }}
{{ n is odd(1) }}
{{ n is eq }}
{{ list | map('string') | length }}
{{ list | map('string') | last }}
{{ (list | map('string')) + [1] }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'x' }}
{{ '%s' % (1, 2) }}
{{ '{} {}'.format(1) }}
{{ '{:d}'.format('x') }}
{{ '{:d}'.format(1.5) }}
{{ nil is divisibleby 2 }}
{{ q | int }}
{{ list | indent }}
{{ range(1, 2, 3, 4) }}
{{ 2.5 | round(method='odd') }}
{% macro w(a) %}{{ a }}{% endmacro %}{{ w(1, a=2) }}
{% for i in [1, 2] %}{% filter upper %}a{% break %}b{% endfilter %}c{% endfor %}|{% for i in [1, 2] %}{% set x %}a{% continue %}b{% endset %}c{% endfor %}
{{ ('<&' | e) | trim | e }} {{ ('<' | safe | trim) + '<' }} {{ '<' | e | upper | e }} {{ ('<' | safe).strip() + '<' }} {{ ('<a>' | safe)[1:] + '<' }} {{ '%s' % ('<' | e) }} {% macro k(a) %}{{ a + '<' }}{% endmacro %}{{ k('<' | safe) }}
{% set g = words | map('upper') %}{% for x in g %}{% break %}{% endfor %}{% for x in g %}{{ x }} {% endfor %}
{{ map.pop is defined }} {{ list.append is defined }} {{ {'sort': 1}.sort }} {{ {'remove': 2}.remove }} {{ map.append is defined }}
{% macro outer() %}{% macro inner() %}{{ 'c' if caller is defined else 'u' }}{% endmacro %}{{ inner() }}{{ caller() }}{% endmacro %}{% call outer() %}X{% endcall %}
{{ '中文abc'.title() }} {{ 'a\u00a0b\u3000c' | title }} {{ [namespace(x=3)] | map(attribute='x') | join }} {{ {10: 1, 9: 2} | tojson(sort_keys=true) }} {{ {'b': 'é', 'a': 1} | tojson(sort_keys=1, ensure_ascii=1) }}
{{ -0.5 | round(0, 'ceil') }} {{ 9007199254740993 == 9007199254740992.0 }} {{ '%010.0e' % 0 }} {{ '%#06x' % 255 }} {{ '\u00a05' | int }} {{ 100000000000000000000 | round }} {{ 9223372036854775807 | round(-1) }} {{ 1e20 | int }} {{ 'aaa'.rsplit('aa') }} {{ 'abc'.find('', 2, 1) }} {{ 'abc'.count('', 2, 1) }} {{ 'abc'.startswith('', 2, 1) }} {{ 'Σας'.casefold() }}
{{ (['a' * 100] * 3000) | join(' ') | length }} {{ ('a b ' * 30000).split() | length }} {{ ('a b ' * 3000).split('b') | length }} {{ ('ab' * 40 ~ 'c') in ('ab' * 500 ~ 'c') }} {{ ('ab' * 500 ~ 'c').find('ab' * 40 ~ 'c') }} {{ ('ab' * 100).rfind('ab' * 40) }} {{ ('ab' * 100).replace('ab' * 40, '-') }} {{ ('aab' * 100).count('aab' * 20) }} {{ ('ab' * 100).rsplit('ab' * 40, 1) }}
{{ (1, 2) in map }} {{ map[(1, 2)] }}| {{ map.get((1, 2), 'no') }} {{ [nil] < [nil, 1] }} {{ (1e308 * 10 - 1e308 * 10) == (1e308 * 10 - 1e308 * 10) }}
{{ [] in map }}
{{ 1.5 | round(0, none) }}
{{ n is eq(1, b=2) }}
{{ map | tojson(separators=(1, 2)) }}
{{ map.pop('b') }}
{{ 1, 2 }} {{ (1) }} {{ (1,) }} {{ [] }} {{ () }}
{{ 0x10 }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }} {{ 18446744073709551615 }}
{{ 'a' | upper | lower ~ 'B' }} {{ ('a' ~ 'b') | upper }} {{ 'a' + 'b' | upper }} {{ -1 | abs }} {{ (-1) | abs }}
{{ nil.foo }}| {{ n.foo }}| {{ s.foo }}|
{{ undefined_name.foo }}
{{ undefined_name + 'x' }}
{{ 'x' + 1 }}
{{ 'x' + nil }}
{{ 1 < 'x' }}
{{ nil | length }}
{{ n() }}
{{ undefined_name() }}
{{ raise_exception('no') }}
{% set s.x = 1 %}
{% set q.x = 1 %}
{{ list.append(4) }}
{{ map.update({'x': 1}) }}
{% for a, b in list %}{% endfor %}
{% for a in 5 %}{% endfor %}
{{ [1] | join(attribute='a.b') }}
{{ {}.a.b }}
{{ 'a' in 5 }}
{{ 1 / 0 }}
{{ q | tojson }}
{% if %}x{% endif %}
{% if yes %}
{% endif %}
{{ 
{{ n
{{ n }
{{ 'open }}
{{ n | }}
{{ n is }}
{{ (n }}
{{ n) }}
{% endfor %}
{% for x in list %}{% endif %}
{% unknown %}
{# open
{% macro m() %}{% endmacro %}{{ m(1) }}
{% raw %}open
{% break %}
{{ {'a' 1} }}
{{ [1 2] }}
{{ 5 5 }}
"""

MULTILINE = [
    "{% for m in messages %}\n  {% if m.role == 'user' %}\n    U: {{ m.role }}\n  {% elif m.role == 'system' %}\nS\n  {% else %}\n    other\n  {% endif %}\n{% endfor %}\n",
    "line one\n  {# comment #}  \nline two\n  {# another #}\nline three\n\n",
    "a\r\nb\r{{ n }}\r\n",
    "{% set x = 1 -%}\n\n   {{ x }}\n\n   {%- set y = 2 %}\n\n  {{ y }}\n",
    "{% raw %}\n  {{ x }}\n  {% endraw %}\nafter\n",
    "  {%- raw -%}\n  {{ x }}\n  {%- endraw -%}\nafter\n",
    "\n\n{{ n }}\n\n",
    "{{ n }}\n\n\n",
    "\t {% if yes %}\t\n\t x{% endif %}\t\n",
    "a  {% if yes %}  b  {% endif %}  c\n   {% if yes %}\n   {% if yes %}d\n{% endif %}{% endif %}",
    "{{ 'multi\nline' }}{{ n\n+\n1 }}{%\nif yes\n%}yes{% endif %}",
    "{{ 'a\\\nb' }}",
]


def main():
    cases = []
    for template in [line for line in TEMPLATES.strip("\n").split("\n")] + MULTILINE:
        case = {"template": template}
        try:
            case["text"] = environment.from_string(template).render(**copy.deepcopy(DATA))
        except Exception as error:  # whatever Python raises, ours must refuse too
            case["fails"] = True
            print(type(error).__name__, template.replace("\n", "\\n"), file=sys.stderr)
        cases.append(case)
    json.dump({"made_with": "jinja2 " + jinja2.__version__, "data": DATA, "cases": cases}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()

"""Makes jinja-random.json: random templates, rendered by Python's jinja2 as Hugging Face transformers configures it.

    pip install jinja2 && python3 jinja-random.py SEED COUNT > jinja-random.json

A template is a random walk through the grammar: expressions of the filters, tests and methods that we have, conditions,
loops, macros, captured blocks. Those that Python refuses are cases as well.
"""

import copy
import importlib.util
import json
import pathlib
import random
import signal
import sys
import warnings

import jinja2

specification = importlib.util.spec_from_file_location("cases", pathlib.Path(__file__).with_name("jinja-cases.py"))
cases = importlib.util.module_from_spec(specification)
specification.loader.exec_module(cases)

LONGEST = 200
NAMES = ["s", "blank", "n", "neg", "x", "yes", "no", "nil", "list", "words", "empty", "map", "messages", "tools", "undef"]
TEXTS = ["'a'", "'Hello World'", "\"it's\"", "''", "' pad '", "'a,b,c'", "'ß'", "'İ'", "'x\\ny'", "'1'", "'2.5'", "'-3'", "'abc ABC'", "'<b>'", "'🦊é'"]
NUMBERS = ["0", "1", "2", "7", "-1", "3", "2.5", "0.1", "1e20", "1e-7", "10", "100", "1.0"]
KEYS = ["role", "content", "type", "function", "name", "b", "a", "items", "missing", "0", "parameters"]
TESTS = "defined undefined none string mapping number integer float boolean true false callable iterable sequence odd even lower upper".split()
FILTERS = """abs capitalize count dictsort first float indent int items|list join last length list lower max min
    reverse|list round safe sort string sum title tojson trim unique|list upper wordcount batch(2)|list slice(2)|list
    map('upper')|list map(attribute='role')|list map(attribute='role',default='z')|list map('int')|list map('length')|list
    reject('none')|list select|list select('string')|list select('gt',1)|list selectattr('role')|list
    selectattr('role','==','user')|list rejectattr('content','string')|list sort(reverse=true) sort(case_sensitive=true)
    sort(attribute='role')|map(attribute='role')|list dictsort(by='value') tojson(indent=2) tojson(sort_keys=true)
    round(1) round(1,'floor') round(method='ceil') int(5) float(0.5) sum(start=1) indent(2,true) join('-') center(9)
    map('default','q')|join(',') replace('a','b',1) trim('x') default('d') default('d',true) max(attribute='role')""".split()
METHODS = """strip() lstrip() rstrip() split() split(',') split(none,1) split(maxsplit=1) rsplit(',',1) rsplit(none,1) splitlines()
    splitlines(true) replace('a','b') replace('a','b',1) join(words) startswith('a') startswith('a',1) endswith(('a','d'))
    removeprefix('a') removesuffix('b') partition(',') rpartition(',') find('a') find('a',1) find('a',1,3) rfind('a') index('a')
    count('a') count('a',1) upper() lower() casefold() title() capitalize() swapcase() isdigit() isnumeric() isalpha() isalnum()
    isspace() isupper() islower() isascii() zfill(5) center(9) ljust(9) rjust(9,'*') get('b') get('q',1) items()|list
    keys()|list values()|list copy() index(1) count(1) append(1) update({})""".split()


class Walk:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def several(self, least, most, make):
        return [make() for _ in range(self.random.randint(least, most))]

    def primary(self, depth):
        return self.pick(self.pick(*NAMES), self.pick(*NAMES), self.pick(*TEXTS), f"({self.expression(depth)})")

    def bound(self):
        return self.pick("", str(self.random.randint(-4, 4)))

    def index(self, depth):
        part = f"{self.bound()}:{self.bound()}" + self.pick("", ":", ":-1", ":2")
        return self.pick(part, part, self.expression(depth), self.pick(*NUMBERS), self.pick(*TEXTS))

    def test(self, depth):
        argument = self.expression(depth)
        relation = self.pick("eq", "ne", "lt", "gt", "le", "ge", "in", "divisibleby") + f"({argument})"
        return self.pick("", "not ") + self.pick(self.pick(*TESTS), self.pick(*TESTS), relation)

    def expression(self, depth=0):
        e = lambda: self.expression(depth + 1)
        kind = self.random.random() if depth < 4 else 0
        if kind < 0.25:
            return self.pick(self.pick(*NAMES), self.pick(*NAMES), self.pick(*TEXTS), self.pick(*NUMBERS), self.pick("none", "true", "[]", "{}", "()"))
        if kind < 0.33:
            return f"{e()} {self.pick('+', '-', '*', '/', '//', '%', '**', '~', '~', '+')} {self.pick(self.pick(*NUMBERS), e())}"
        if kind < 0.41:
            return f"{e()} {self.pick('==', '!=', '<', '>', '<=', '>=', 'in', 'not in', 'and', 'or')} {e()}"
        if kind < 0.44:
            return f"not {e()}"
        if kind < 0.48:
            return f"({e()} if {e()}{self.pick('', ' else ' + e())})"
        if kind < 0.52:
            return f"[{', '.join(self.several(0, 3, e))}]"
        if kind < 0.54:
            return f"({', '.join(self.several(2, 3, e))})"
        if kind < 0.57:
            return "{" + ", ".join(f"{self.pick(*TEXTS)}: {e()}" for _ in range(self.random.randint(0, 3))) + "}"
        if kind < 0.63:
            return f"{self.primary(depth + 1)}.{self.pick(*KEYS)}"
        if kind < 0.69:
            return f"{self.primary(depth + 1)}[{self.index(depth + 1)}]"
        if kind < 0.84:
            return f"{self.primary(depth + 1)} | {self.pick(*FILTERS)}"
        if kind < 0.94:
            return f"{self.primary(depth + 1)}.{self.pick(*METHODS)}"
        return f"{self.primary(depth + 1)} is {self.test(depth + 1)}"

    def tag(self, text):
        return "{%" + self.pick("", "", "-", "+") + f" {text} " + self.pick("", "", "-") + "%}"

    def body(self, depth):
        return "".join(self.several(1, 3, lambda: self.statement(depth + 1)))

    def statement(self, depth=0):
        kind = self.random.random() if depth < 3 else 0
        if kind < 0.35:
            return "{{" + self.pick("", "", "-") + f" {self.expression()} " + self.pick("", "", "-") + "}}"
        if kind < 0.45:
            return self.pick(" ", "\n", "text", "  \n  ", "\t", "é ", "{# c #}", "{#- c -#}", "\n\n")
        if kind < 0.6:
            parts = [self.tag("if " + self.expression()), self.body(depth)]
            if self.pick(True, False):
                parts += [self.tag("elif " + self.expression()), self.body(depth)]
            if self.pick(True, False):
                parts += [self.tag("else"), self.body(depth)]
            return "".join(parts) + self.tag("endif")
        if kind < 0.78:
            return self.loop(depth)
        if kind < 0.85:
            name = self.pick("q", "n", "undef", "r")
            return self.tag(f"set {name} = {self.expression()}") + "{{ " + name + " }}"
        if kind < 0.9:
            return self.tag("set q") + self.body(depth) + self.tag("endset") + "[{{ q }}]"
        if kind < 0.93:
            change = self.pick("ns.a ~ i", "[ns.a, i]", self.expression(2))
            return (self.tag("set ns = namespace(a=1)") + self.tag("for i in list") + self.tag(f"set ns.a = {change}")
                    + self.tag("endfor") + "{{ ns.a }}")
        if kind < 0.97:
            extra = self.pick("", "{{ varargs }}", "{{ kwargs }}")
            arguments = ", ".join(self.several(0, 3, lambda: self.expression(2)))
            return (self.tag(f"macro f(a, b={self.expression(2)})") + "({{ a }};{{ b }}" + extra + ")" + self.tag("endmacro")
                    + "{{ f(" + arguments + ") }}")
        return self.tag("filter " + self.pick("upper", "trim", "indent", "title")) + self.body(depth) + self.tag("endfilter")

    def loop(self, depth):
        names = self.pick("i", "i", "i", "k, v", "m")
        items = self.pick("list", "words", "messages", "map", "map.items()", "range(3)", self.expression(1), "s", "tools")
        first = names.split(",")[0]
        within = self.pick("", "{{ loop.index }}", "{{ loop.last }}", "{{ loop.previtem }}", "{{ loop.cycle('a', 'b') }}",
                           "{{ loop.changed(" + first + ") }}", "{{ " + first + " }}",
                           "{% if loop.first %}{% continue %}{% endif %}", "{% if loop.index == 2 %}{% break %}{% endif %}")
        condition = self.pick("", "", f" if {self.expression(2)}")
        otherwise = self.pick("", self.tag("else") + self.body(depth))
        return self.tag(f"for {names} in {items}{condition}") + within + self.body(depth) + otherwise + self.tag("endfor")


def late(*_):
    raise TimeoutError


def main():
    warnings.simplefilter("ignore", SyntaxWarning)
    signal.signal(signal.SIGALRM, late)
    walk = Walk(int(sys.argv[1]))
    made, seen = [], set()
    while len(made) < int(sys.argv[2]):
        template = "".join(walk.several(1, 3, walk.statement))
        if len(template) > LONGEST or template in seen:
            continue
        seen.add(template)
        case = {"template": template}
        signal.setitimer(signal.ITIMER_REAL, 2)
        try:
            case["text"] = cases.environment.from_string(template).render(**copy.deepcopy(cases.DATA))
        except TimeoutError:
            continue
        except Exception:  # whatever Python raises, ours must refuse too
            if len(made) % 3:  # most random templates fail: a third of the cases is enough of them
                continue
            case["fails"] = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        text = case.get("text", "")
        if len(text) < 2000 and not any(word in text for word in ("object at 0x", "<built-in", "<function", "Markup(", "dict_")):
            made.append(case)
    json.dump({"made_with": "jinja2 " + jinja2.__version__, "data": cases.DATA, "cases": made}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()

"""Makes family-cases.json: templates in the manner of model families x conversations, rendered by Hugging Face transformers.

    pip install transformers jinja2 && python3 family-cases.py > family-cases.json

The templates are our own: each uses the constructs that the templates of a family use (named above it), not their text.
"""

import json
import sys
from datetime import datetime

import transformers
from transformers.utils import chat_template_utils

TEMPLATES = {}

# Llama 3.1 and 3.2: dates, tools in the system or the first user message, tool calls, whitespace control everywhere.
TEMPLATES["llama3-tools"] = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim if messages[0]['content'] is string else messages[0].content[0].text %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: shell\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code') | join(", ") + "\n\n"}}
{%- endif %}
{{- "Today: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|end|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("there is no first user message to put the tools into") }}
    {%- endif %}
    {{- '<|head|>user<|/head|>\n\n' -}}
    {{- "Answer with a call: " }}{{- '{"name": function, "parameters": map}.\n\n' }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first + "<|end|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\n\n'+ message['content'] | trim + '<|end|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|head|>assistant<|/head|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|end|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|head|>ipython<|/head|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|end|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\n\n' }}
{%- endif %}
"""

# Mistral 7B, Mixtral: alternation enforced with modulo, system message in the first turn.
TEMPLATES["mistral"] = r"""{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('user and assistant must take turns') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [I] ' + system_message + '\n\n' + message['content'] + ' [/I]' }}
        {%- else %}
            {{- ' [I] ' + message['content'] + ' [/I]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token}}
    {%- else %}
        {{- raise_exception('only user and assistant, not ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
"""

# Mistral v0.3 and Nemo: namespaces that count, selectattr, tools before the last user message, ids checked for their length.
TEMPLATES["nemo"] = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{#- alternation over what is neither a call nor a result #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("turns must alternate: " + message.role) }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[I]" + system_message + "\n\n" + message["content"] + "[/I]" }}
        {%- else %}
            {{- "[I]" + message["content"] + "[/I]" }}
        {%- endif %}
    {%- elif (message.tool_calls is defined and message.tool_calls is not none) %}
        {{- "[CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("ids of calls have nine characters") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- message["content"] + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + (message.tool_call_id or 'none') + '"}[/RESULTS]' }}
    {%- else %}
        {{- raise_exception("unknown role") }}
    {%- endif %}
{%- endfor %}
"""

# Gemma: no whitespace control, role names changed, the system role refused.
TEMPLATES["gemma"] = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<turn>' + role + '\n' + message['content'] | trim + '</turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}")

# Gemma 3: content in parts, an indented prefix, macros of none.
TEMPLATES["gemma3"] = r"""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '</turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
"""

# Phi-3: one long line, newlines inside literals, an else for the end of sequence.
TEMPLATES["phi3"] = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}")

# Qwen 2.5: tools as JSON lines, calls, results gathered under one user turn by looking at the neighbours.
TEMPLATES["qwen25"] = r"""{%- if tools %}
    {{- '<|s|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You help.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\n<call>\n{\"name\": <name>, \"arguments\": <json>}\n</call><|e|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|s|>system\n' + messages[0]['content'] + '<|e|>\n' }}
    {%- else %}
        {{- '<|s|>system\nYou help.<|e|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|s|>' + message.role + '\n' + message.content + '<|e|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|s|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</call>' }}
        {%- endfor %}
        {{- '<|e|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|s|>user' }}
        {%- endif %}
        {{- '\n<result>\n' }}
        {{- message.content }}
        {{- '\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|e|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|s|>assistant\n' }}
{%- endif %}
"""

# Qwen 3: loops over the reversed list, thinking cut out of earlier answers with split and strip, enable_thinking.
TEMPLATES["qwen3"] = r"""{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|s|>' + message.role + '\n' + content + '<|e|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|s|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|s|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|s|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<call>\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|e|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|s|>user' }}{%- endif %}
        {{- '\n<result>\n' ~ content ~ '\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|e|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|s|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""

# SmolLM3: generation blocks, flags searched for in the system message and cut out of it, two kinds of tools, captured text.
TEMPLATES["smollm3"] = r"""{#- defaults -#}
{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- set mode = "/think" if enable_thinking else "/no_think" -%}
{%- if messages and messages[0].role == "system" -%}
  {%- set system_message = messages[0].content if messages[0].content is string else '' -%}
  {%- if "/no_think" in system_message -%}
    {%- set mode = "/no_think" -%}
  {%- elif "/think" in system_message -%}
    {%- set mode = "/think" -%}
  {%- endif -%}
  {%- set custom = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "<|s|>system\n" -}}
{%- if "/system_override" in (system_message | default('')) -%}
  {{- custom.replace("/system_override", "").rstrip() -}}{{- "<|e|>\n" -}}
{%- else -%}
  {{- "## Metadata\n\nToday: " ~ strftime_now("%d %B %Y") ~ "\nMode: " + mode + "\n\n" -}}
  {%- if custom -%}{{- custom + "\n\n" -}}{%- endif -%}
  {%- if xml_tools or python_tools or tools -%}
    {{- "### Tools\n\n" -}}
    {%- set ns = namespace(text="call:\n") -%}
    {%- for tool in (xml_tools or tools or []) -%}
      {%- set ns.text = ns.text ~ (tool | string) ~ "\n" -%}
    {%- endfor -%}
    {{- ns.text -}}
    {%- if python_tools -%}{{- python_tools | join('\n') -}}{%- endif -%}
  {%- endif -%}
  {{- "<|e|>\n" -}}
{%- endif -%}
{%- for message in messages -%}
  {%- set content = message.content if message.content is string else "" -%}
  {%- if message.role == "user" -%}
    {{ "<|s|>" + message.role + "\n" + content + "<|e|>\n" }}
  {%- elif message.role == "assistant" -%}
    {%- generation -%}
    {%- if mode == "/think" -%}
      {{ "<|s|>assistant\n" + content.lstrip("\n") + "<|e|>\n" }}
    {%- else -%}
      {{ "<|s|>assistant\n" + "<think>\n\n</think>\n" + content.lstrip("\n") + "<|e|>\n" }}
    {%- endif -%}
    {%- endgeneration -%}
  {%- elif message.role == "tool" -%}
    {{ "<|s|>" + "user\n" + content + "<|e|>\n" }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{ "<|s|>assistant\n" if mode == "/think" else "<|s|>assistant\n<think>\n\n</think>\n" }}
{%- endif -%}
"""

# Granite 3: a macro, documents, chained comparisons, several system messages built in steps.
TEMPLATES["granite"] = r"""{%- macro header(role, extra=none) -%}
<|r|>{{ role }}{% if extra %} {{ extra | tojson }}{% endif %}<|/r|>
{%- endmacro -%}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Knowledge until April 2024.\nToday is " ~ strftime_now('%B %d, %Y') ~ "." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + " Tools and documents." %}
    {%- elif tools %}
        {%- set system_message = system_message + " Tools." %}
    {%- elif documents %}
        {%- set system_message = system_message + " Documents." %}
    {%- elif thinking %}
        {%- set system_message = system_message + " Think." %}
    {%- endif %}
    {%- if 'citations' in (controls or {}) and documents %}
        {%- set system_message = system_message + '\n\n' + "Cite." %}
    {%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- header('system') + system_message + '<|x|>\n' }}
{%- if tools %}
    {{- header('tools') }}
    {{- tools | tojson(indent=4) }}
    {{- '<|x|>\n' }}
{%- endif %}
{%- if documents %}
    {%- for document in documents %}
        {{- header('document', {'id': document.doc_id | default(loop.index)}) }}
        {{- document['text'] }}
        {{- '<|x|>\n' }}
    {%- endfor %}
{%- endif %}
{%- for message in loop_messages %}
    {{- header(message['role']) }}{{ message['content'] }}{{ '<|x|>\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- header('assistant', controls) }}
    {%- endif %}
{%- endfor %}"""

# OLMo 2: the end token between turns only where the loop goes on.
TEMPLATES["olmo2"] = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}"
    "{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}")

# What is left: call blocks, filters with blocks, recursion within bounds, loop controls, scoping, sorting, slices.
TEMPLATES["everything"] = r"""{%- macro json_type(p, depth=0) -%}
  {%- if p.type == 'array' -%}list[{{ json_type(p['items'], depth + 1) }}]
  {%- elif p.type is string and p.type in ('string', 'integer', 'number') -%}{{ {'string': 'str', 'integer': 'int', 'number': 'float'}[p.type] }}
  {%- elif p.type == 'object' -%}{ {%- for k, v in (p.properties or {}) | dictsort -%}{{ k }}: {{ json_type(v, depth + 1) }}{{ ', ' if not loop.last }}{%- endfor -%} }
  {%- else -%}any{{ depth }}{%- endif -%}
{%- endmacro -%}
{%- macro box(title) -%}[{{ title | upper }}|{{ caller(title | length) }}]{%- endmacro -%}
{% for tool in tools or [] %}
{{ loop.index }}/{{ loop.length }} {{ tool.function.name }}({{ json_type(tool.function.parameters) }}) {{ tool.function.description | default('-', true) }}
{% else %}
no tools
{% endfor %}
{% for m in messages if m.role != 'system' %}
{% if loop.index > 4 %}{% break %}{% endif %}
{% if m.content is not string %}{% continue %}{% endif %}
{% call(n) box(m.role) %}{{ n }}:{{ m.content | replace('\n', '\\n') | trim }}{% endcall %} {{ loop.previtem.role if loop.previtem is defined else 'first' }} {{ loop.nextitem is defined }}
{% endfor %}
{% filter upper %}roles: {{ messages | map(attribute='role') | unique | sort | join(',') }}{% endfilter %}
{% set captured %}{% for m in messages %}{{ m.role[0] }}{{ m.role[-1] }}{% endfor %}{% endset %}
{{ captured | length }} {{ captured[::-1] }} {{ captured[1:-1:2] }}
{% with a = messages | length, b = 2 %}{{ a // b }} {{ a % b }} {{ a ** b }} {{ a / b }} {{ 1 < a <= 3 }}{% endwith %}
{{ messages | selectattr('content', 'string') | map(attribute='content') | map('length') | list }}
{{ messages | rejectattr('role', 'in', ['user', 'assistant']) | list | length }}|{{ (messages | last).role.title() }}|{{ '%' ~ 5 }}
{{ (messages | first).items() | list | first | first }} {{ {'b': 1, 'a': [1.0, none, true]} | tojson(sort_keys=true) }}
"""

TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Wetter \"heute\" für <Ort>", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "hours": {"type": "array", "items": {"type": "number"}}},
        "required": ["city"]}}},
    {"type": "function", "function": {"name": "noop", "description": "", "parameters": {"type": "object", "properties": {}}, "return": {"type": "null"}}},
]

CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2, "x": None, "y": 1.5}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


CONVERSATIONS = [
    {"messages": [user("Hi")]},
    {"messages": [user("  Hi there \n")], "add_generation_prompt": True},
    {"messages": [system("Be brief."), user("Warum?\n\nUnd 🦊?")], "add_generation_prompt": True},
    {"messages": [user("a"), assistant("b"), user("c")], "add_generation_prompt": True},
    {"messages": [user("a"), assistant("<think>\nhm\n</think>\n\nb")]},
    {"messages": [user("a"), assistant("b"), user("c"), assistant("<think>\n\nso</think>d", reasoning_content="so")]},
    {"messages": [system("x /no_think"), user("a"), assistant("b"), user("c"), assistant("d"), user("e")], "add_generation_prompt": True},
    {"messages": [system("/system_override only this"), user("a")], "add_generation_prompt": True, "enable_thinking": False},
    {"messages": [user("a"), user("b")]},
    {"messages": [assistant("a")]},
    {"messages": [{"role": "narrator", "content": "Once"}]},
    {"messages": [user("Wetter?")], "tools": TOOLS, "add_generation_prompt": True},
    {"messages": [system("S"), user("Wetter?")], "tools": TOOLS[:1], "add_generation_prompt": True, "tools_in_user_message": False},
    {"messages": [user("Wetter?"), assistant("", tool_calls=[CALL]), {"role": "tool", "content": "21 °C", "tool_call_id": "abcdefghi"}], "tools": TOOLS,
     "add_generation_prompt": True},
    {"messages": [user("Wetter?"), assistant("calling", tool_calls=[CALL, CALL]), {"role": "tool", "content": "21 °C"}, {"role": "tool", "content": "22"},
                  assistant("Warm."), user("Thanks")], "tools": TOOLS, "add_generation_prompt": True},
    {"messages": [user("Wetter?"), {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": "{\"city\": 1}"}}]}]},
    {"messages": [user([{"type": "text", "text": " part one "}, {"type": "image"}, {"type": "text", "text": "two"}])], "add_generation_prompt": True},
    {"messages": [{"role": "system", "content": [{"type": "text", "text": "in parts"}]}, user("x")]},
    {"messages": [user("x")], "documents": [{"doc_id": 7, "text": "seven"}, {"text": "eight\n"}], "controls": {"citations": True}, "add_generation_prompt": True},
    {"messages": [user("x")], "documents": [{"text": "d"}], "tools": TOOLS, "thinking": True},
    {"messages": [user("x")], "builtin_tools": ["search", "code", "calc"], "date_string": "1 Jan 2000", "add_generation_prompt": True},
    {"messages": [user("x")], "enable_thinking": False, "add_generation_prompt": True},
    {"messages": [user("x")], "xml_tools": TOOLS[1:], "python_tools": ["def f(): ..."], "add_generation_prompt": True},
    {"messages": [user("<result>r</result>"), assistant("</think>")], "tools": []},
    {"messages": []},
    {"messages": [user(None)]},
    {"messages": [{"role": "user"}]},
    {"messages": [user("tab\there \u0000 \\ \" ' {{ not }} {% code %} \u2028 \ufeff")], "add_generation_prompt": True},
]

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 4, 12, 0, 0)


def main():
    chat_template_utils.datetime = Clock
    out = {"made_with": "transformers " + transformers.__version__, "clock": "2025-07-04T12:00:00Z", "special": SPECIAL,
           "templates": TEMPLATES, "conversations": CONVERSATIONS, "cases": []}
    for name, template in TEMPLATES.items():
        try:
            compiled = chat_template_utils._compile_jinja_template(template)
        except Exception as error:
            sys.exit(f"{name}: {error}")
        for number, conversation in enumerate(CONVERSATIONS):
            case = {"template": name, "conversation": number}
            variables = {"tools": None, "documents": None, "add_generation_prompt": False, **SPECIAL, **conversation}
            try:
                case["text"] = compiled.render(**variables)
            except Exception as error:
                case["fails"] = str(error)
            out["cases"].append(case)
    json.dump(out, sys.stdout, indent=0, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()

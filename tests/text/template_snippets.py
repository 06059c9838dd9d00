"""The project's own templates: snippets that cover what Jinja can do, each with variables.
gen_templates.py renders them with jinja2 and stores the results."""

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
          "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def snippets():
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    yield "chat:chatml", CHATML, {"messages": messages, "add_generation_prompt": True}

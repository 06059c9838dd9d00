"""Sixteen requests at once, in four orders: each as alone. tests/serve/many.py does more, by
name."""
import os

from many import compare, kit
import noise_model


def main():
    with kit.Home() as home:
        model = noise_model.write(os.path.join(home.models, "noise.gguf"))
        small = ["--parallel", "12", "--batch", "24", "--cache-mb", "2"]
        compare(home, model, 16, 4, 1, 512, 280, 24, small)
    kit.done()


if __name__ == "__main__":
    main()

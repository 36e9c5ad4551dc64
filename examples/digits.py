"""Handwritten digits, read by a small convolutional network that Adam trains.

32 kernels of 3 x 3 pixels, a rectifier and two linear layers give ten scores to each image of
8 x 8; softmax makes them probabilities. Adam (Kingma and Ba, 2015) brings the mean of
-log p(right digit) down, minibatch by minibatch, with running means m and v of gradient and square:

    w <- w - rate (m / (1 - b1^t)) / sqrt(v / (1 - b2^t))

Forward, backward and update are one compiled program. The images are scikit-learn's; a quarter
is held out, to tell how well the network reads what it has not seen.
"""

import argparse
import math
import time

from sklearn.datasets import load_digits

import numpygrad as npg

B1, B2, BATCH, HELD_OUT = 0.9, 0.999, 64, 450


def layer(rng, inputs, outputs):
    """Random weights of variance 2 / inputs, and offsets of 0."""
    weights = rng.normal(0.0, math.sqrt(2 / inputs), (inputs, outputs), requires_grad=True)
    return weights, npg.zeros(outputs, requires_grad=True)


def scores(model, images):
    """Ten scores for each image: (n, 8, 8) -> (n, 10)."""
    (kernels, a), (hidden, b), (readout, c) = model
    patches = [images[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
    features = npg.relu(npg.stack(patches, axis=-1) @ kernels + a)
    return npg.relu(features.reshape(len(images), -1) @ hidden + b) @ readout + c


def train(images, labels, rng, epochs, rate=0.002):
    """A trained model; it prints the mean loss of each epoch."""
    model = [layer(rng, 9, 32), layer(rng, 36 * 32, 64), layer(rng, 64, 10)]
    moments = [(w, npg.zeros_like(w), npg.zeros_like(w)) for pair in model for w in pair]

    @npg.compile
    def step(images, labels, t):
        log_p = npg.log_softmax(scores(model, images), axis=1)
        loss = -npg.mean(npg.take_along_axis(log_p, labels[:, None], axis=1))
        loss.backward()
        with npg.no_grad():
            for w, m, v in moments:
                m[...] = B1 * m + (1 - B1) * w.grad
                v[...] = B2 * v + (1 - B2) * w.grad**2
                w[...] -= rate * (m / (1 - B1**t)) / (npg.sqrt(v / (1 - B2**t)) + 1e-8)
                w.grad = None
        return loss

    t = 0.0
    for epoch in range(1, epochs + 1):
        order, losses = rng.permutation(len(images)), []
        for batch in order[: len(images) // BATCH * BATCH].reshape(-1, BATCH):
            t += 1
            losses.append(step(images[batch], labels[batch], t))
        print(f"epoch {epoch:3d}   loss {npg.mean(npg.stack(losses)):.4f}")
    return model


def main():
    """Train, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--epochs", type=int, default=15, help="passes through the images (15)")
    options.add_argument("--plot", default="digits.png", help="file of the picture")
    chosen = options.parse_args()
    data, rng = load_digits(), npg.random.default_rng(0)
    images, labels = npg.array(data.images / 16), npg.array(data.target)
    print(f"device {images.device} ({images.device.backend.name})")
    order = rng.permutation(len(images))
    seen, unseen = order[HELD_OUT:], order[:HELD_OUT]
    started = time.perf_counter()
    model = train(images[seen], labels[seen], rng, chosen.epochs)
    print(f"trained in {time.perf_counter() - started:.1f} s")
    guessed = npg.argmax(scores(model, images[unseen]), axis=1)
    right = npg.mean(guessed == labels[unseen])
    print(f"{right:.1%} of {HELD_OUT} digits that were held out are read right")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture, as matplotlib is missing: pip install matplotlib")
        return
    figure = Figure(figsize=(10, 1.8), layout="constrained")
    misread = npg.nonzero(guessed != labels[unseen])[0]
    for panel, i in zip(figure.subplots(1, 8), misread, strict=False):
        panel.imshow(images[unseen[i]], cmap="gray_r")
        panel.set(title=f"{labels[unseen[i]]} read as {guessed[i]}", xticks=[], yticks=[])
    figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()

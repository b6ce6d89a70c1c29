"""Where real images come from: bundled digits, MNIST files, or a folder of pictures."""

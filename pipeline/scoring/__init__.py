"""Generated images beside real test images: the examiner's view, floors, and nearest neighbours."""

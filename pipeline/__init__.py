"""The `augment` command and the stages: the only room that knows paths, params.yaml and DVC."""

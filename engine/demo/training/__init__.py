"""How the built-in model is trained: pools of drawn faces, one file a stage. The worker never imports it."""

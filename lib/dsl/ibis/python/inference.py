"""Guesses the tables and columns that a text speaks of, when no schema was given."""


def build(tree, make_tables, build_tree, failure, policy):
    return build_tree(tree, {}), {}

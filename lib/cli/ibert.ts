#!/usr/bin/env node
import "../runtime/require-node.js";

// Only then the rest, whose own imports an old Node would fail at.
const [{ main }, { setUpIbert }] = await Promise.all([import("./main.js"), import("./ibert-commands.js")]);
await main("ibert", setUpIbert);

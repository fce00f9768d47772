#!/usr/bin/env node
import { setUpIbert } from "./ibert-commands.js";
import { main } from "./main.js";

await main("ibert", setUpIbert);

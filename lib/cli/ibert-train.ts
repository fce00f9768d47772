#!/usr/bin/env node
import { main } from "./main.js";
import { setUpTraining } from "./train-command.js";

await main("ibert-train", setUpTraining);

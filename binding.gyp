# For prebuildify, which runs node-gyp: CMakeLists.txt is the one description of the build, and this only calls it.
# `npm ci` does not come here: package.json says "gypfile": false.
{
  "targets": [
    {
      "target_name": "ibert",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/ibert.node"],
          "action": ["node", "scripts/build-native.mjs"]
        }
      ]
    }
  ]
}

import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: { outDir: "dist/app", emptyOutDir: true, target: "es2022", modulePreload: false, assetsInlineLimit: 0, reportCompressedSize: false },
});

// Bundles board.jsx. The CommonJS builds of @grafana/* are taken: the others import files that only Grafana's own build has.
import esbuild from 'esbuild';
import path from 'path';

const root = process.argv[2];
await esbuild.build({
  entryPoints: [process.argv[3]],
  bundle: true,
  outfile: path.join(root, 'board.js'),
  format: 'iife',
  jsx: 'automatic',
  nodePaths: [path.join(root, 'node_modules')],
  define: { 'process.env.NODE_ENV': '"development"', 'process.env': '{}', global: 'window' },
  loader: { '.svg': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  mainFields: ['browser', 'module', 'main'],
  logLevel: 'error',
  plugins: [
    {
      name: 'commonjs',
      setup(build) {
        build.onResolve({ filter: /^@grafana\/(ui|data|schema|e2e-selectors|i18n)$/ }, (found) => ({
          path: path.resolve(root, 'node_modules', found.path, 'dist/cjs/index.cjs'),
        }));
      },
    },
  ],
});

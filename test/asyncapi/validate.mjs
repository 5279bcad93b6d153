// Reads AsyncAPI documents with the official parser and prints what it finds, one JSON document per file.
import { Parser, fromFile } from '@asyncapi/parser';

const parser = new Parser();
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await fromFile(parser, file).parse();
  console.log(JSON.stringify({
    file,
    channels: document ? document.channels().all().length : 0,
    operations: document ? document.operations().all().length : 0,
    messages: document ? document.messages().all().length : 0,
    // 0 error, 1 warning, 2 information, 3 hint
    found: diagnostics.map((d) => ({ severity: d.severity, code: d.code, message: d.message, path: d.path.join('/') })),
  }));
}

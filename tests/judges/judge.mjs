// Reads {name: playlist} as JSON from standard input; prints [[name, complaint]] as JSON.
// hls-parser is set to be strict; m3u8-parser says what it minds in events.
import { readFileSync } from 'node:fs';
import HLS from 'hls-parser';
import { Parser } from 'm3u8-parser';

HLS.setOptions({ strictMode: true, silent: false });
const playlists = JSON.parse(readFileSync(0, 'utf8'));
const complaints = [];
const log = (name) => (...words) => complaints.push([name, words.join(' ')]);

for (const [name, text] of Object.entries(playlists)) {
  console.error = console.warn = log(name);
  try {
    HLS.parse(text);
  } catch (error) {
    complaints.push([name, `hls-parser: ${error.message}`]);
  }
  const parser = new Parser();
  for (const kind of ['warn', 'error']) {
    parser.on(kind, (event) => complaints.push([name, `m3u8-parser: ${event.message}`]));
  }
  parser.push(text);
  parser.end();
}
process.stdout.write(JSON.stringify(complaints));

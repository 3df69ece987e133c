/**
 * Arrow IPC messages: the schema and the blocks of a compact trace (Apache Arrow, format/Message.fbs and format/Schema.fbs).
 * Invariant: messages and buffers lie at multiples of 8 bytes from the file's start, so that columns are views of the bytes read.
 * Differs: only Arrow's generated accessors are used. The whole library takes 0.4 s to load, they take 0.05 s, and that only when a
 * compact trace is read or written.
 */
import { createRequire } from 'node:module';
import type { Builder } from 'flatbuffers';
import { COLUMNS, MARK, VERSION, type Block, type Column } from './columns.ts';

/** Bytes before a message's metadata: a continuation marker and the metadata's length. */
export const PREFIX_BYTES = 8;
/** The marker, which is also how a stream begins. */
export const CONTINUATION = 0xffffffff;
/** What ends a stream: a marker and a length of 0. */
export const END_OF_STREAM: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** Kinds of messages (MessageHeader) and of types (Type) used here. */
const MESSAGE_SCHEMA = 1;
const MESSAGE_RECORD_BATCH = 3;
const METADATA_V5 = 4;
const TYPE_INT = 2;
const TYPE_FLOATING_POINT = 3;
const TYPE_BINARY = 4;
const TYPE_UTF8 = 5;
const TYPE_LIST = 12;
const PRECISION_DOUBLE = 2;

/** Buffers of a column: validity, then offsets where the length varies, then the elements (those of a list with their own validity). */
const BUFFERS = { value: 2, text: 3, bytes: 3, list: 4 } as const;
const BUFFER_COUNT = COLUMNS.reduce((sum, { shape }) => sum + BUFFERS[shape], 0);

interface Library {
  readonly flatbuffers: typeof import('flatbuffers');
  readonly Message: typeof import('apache-arrow/fb/message').Message;
  readonly RecordBatch: typeof import('apache-arrow/fb/record-batch').RecordBatch;
  readonly Schema: typeof import('apache-arrow/fb/schema').Schema;
  readonly Field: typeof import('apache-arrow/fb/field').Field;
  readonly FieldNode: typeof import('apache-arrow/fb/field-node').FieldNode;
  readonly Buffer: typeof import('apache-arrow/fb/buffer').Buffer;
  readonly Int: typeof import('apache-arrow/fb/int').Int;
  readonly FloatingPoint: typeof import('apache-arrow/fb/floating-point').FloatingPoint;
  readonly List: typeof import('apache-arrow/fb/list').List;
  readonly Binary: typeof import('apache-arrow/fb/binary').Binary;
  readonly Utf8: typeof import('apache-arrow/fb/utf8').Utf8;
  readonly KeyValue: typeof import('apache-arrow/fb/key-value').KeyValue;
}

let loaded: Library | undefined;

function library(): Library {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  return (loaded = {
    flatbuffers: require('flatbuffers'),
    ...require('apache-arrow/fb/message'),
    ...require('apache-arrow/fb/record-batch'),
    ...require('apache-arrow/fb/schema'),
    ...require('apache-arrow/fb/field'),
    ...require('apache-arrow/fb/field-node'),
    ...require('apache-arrow/fb/buffer'),
    ...require('apache-arrow/fb/int'),
    ...require('apache-arrow/fb/floating-point'),
    ...require('apache-arrow/fb/list'),
    ...require('apache-arrow/fb/binary'),
    ...require('apache-arrow/fb/utf8'),
    ...require('apache-arrow/fb/key-value'),
  } as Library);
}

const padded = (bytes: number) => (bytes + 7) & ~7;

/** The message that a stream begins with: the columns and the format's name. */
export function encodeSchema(): Uint8Array {
  const { flatbuffers, Schema, KeyValue } = library();
  const builder = new flatbuffers.Builder(2048);
  const mark = KeyValue.createKeyValue(builder, builder.createString(MARK), builder.createString(VERSION));
  const metadata = Schema.createCustomMetadataVector(builder, [mark]);
  const fields = Schema.createFieldsVector(
    builder,
    COLUMNS.map((column) => encodeField(builder, column)),
  );
  const features = Schema.createFeaturesVector(builder, []);
  return framed(builder, MESSAGE_SCHEMA, Schema.createSchema(builder, 0, fields, metadata, features), 0);
}

function encodeField(builder: Builder, { name, shape, elements }: Column): number {
  const { Int, FloatingPoint, List, Binary, Utf8, Field } = library();
  const field = (label: string, kind: number, type: number, children: number[]): number => {
    const labelAt = builder.createString(label);
    const childrenAt = Field.createChildrenVector(builder, children);
    Field.startField(builder);
    Field.addName(builder, labelAt);
    Field.addNullable(builder, false);
    Field.addTypeType(builder, kind);
    Field.addType(builder, type);
    Field.addChildren(builder, childrenAt);
    return Field.endField(builder);
  };
  const plain = (label: string): number => {
    if (elements === Float64Array)
      return field(label, TYPE_FLOATING_POINT, FloatingPoint.createFloatingPoint(builder, PRECISION_DOUBLE), []);
    return field(label, TYPE_INT, Int.createInt(builder, elements.BYTES_PER_ELEMENT * 8, false), []);
  };
  switch (shape) {
    case 'text':
      return field(name, TYPE_UTF8, Utf8.createUtf8(builder), []);
    case 'bytes':
      return field(name, TYPE_BINARY, Binary.createBinary(builder), []);
    case 'value':
      return plain(name);
    case 'list':
      return field(name, TYPE_LIST, List.createList(builder), [plain('item')]);
  }
}

/** The message of one block. */
export function encodeBlock(block: Block): Uint8Array {
  const { flatbuffers, RecordBatch, FieldNode, Buffer } = library();
  const builder = new flatbuffers.Builder(2048);
  const buffers: { at: number; bytes: Uint8Array }[] = [];
  const nodes: number[] = [];
  let bodyBytes = 0;
  const add = (bytes: Uint8Array) => {
    buffers.push({ at: bodyBytes, bytes });
    bodyBytes += padded(bytes.length);
  };
  const none = new Uint8Array(0);
  for (const { name, shape } of COLUMNS) {
    const column = block[name];
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
    nodes.push(1);
    add(none);
    if (shape !== 'value') add(new Uint8Array(Int32Array.of(0, column.length).buffer));
    if (shape === 'list') {
      nodes.push(column.length);
      add(none);
    }
    add(bytes);
  }
  // Vectors of flatbuffers are built from their last element on.
  RecordBatch.startNodesVector(builder, nodes.length);
  for (const length of nodes.reverse()) FieldNode.createFieldNode(builder, BigInt(length), 0n);
  const nodesAt = builder.endVector();
  RecordBatch.startBuffersVector(builder, buffers.length);
  for (let i = buffers.length - 1; i >= 0; i--) Buffer.createBuffer(builder, BigInt(buffers[i].at), BigInt(buffers[i].bytes.length));
  const buffersAt = builder.endVector();
  RecordBatch.startRecordBatch(builder);
  RecordBatch.addLength(builder, 1n);
  RecordBatch.addNodes(builder, nodesAt);
  RecordBatch.addBuffers(builder, buffersAt);
  const message = framed(builder, MESSAGE_RECORD_BATCH, RecordBatch.endRecordBatch(builder), bodyBytes);
  const body = message.length - bodyBytes;
  for (const { at, bytes } of buffers) message.set(bytes, body + at);
  return message;
}

/** The message around a header: prefix, metadata, and room for the body. */
function framed(builder: Builder, kind: number, header: number, bodyBytes: number): Uint8Array {
  const { Message } = library();
  Message.startMessage(builder);
  Message.addVersion(builder, METADATA_V5);
  Message.addHeaderType(builder, kind);
  Message.addHeader(builder, header);
  Message.addBodyLength(builder, BigInt(bodyBytes));
  Message.finishMessageBuffer(builder, Message.endMessage(builder));
  const metadata = builder.asUint8Array();
  const metadataBytes = padded(metadata.length);
  const message = new Uint8Array(PREFIX_BYTES + metadataBytes + bodyBytes);
  new DataView(message.buffer).setUint32(0, CONTINUATION, true);
  new DataView(message.buffer).setInt32(4, metadataBytes, true);
  message.set(metadata, PREFIX_BYTES);
  return message;
}

/** What a message is, from its metadata. */
export type Message =
  | { readonly kind: 'schema'; readonly bodyBytes: number; readonly version: string | undefined }
  | { readonly kind: 'block'; readonly bodyBytes: number; readonly buffers: Float64Array };

/**
 * Reads a message's metadata.
 * @throws Error for what is none of this format: untrusted bytes may make the accessors throw anything.
 */
export function decodeMessage(metadata: Uint8Array): Message {
  const { flatbuffers, Message, Schema, RecordBatch } = library();
  const message = Message.getRootAsMessage(new flatbuffers.ByteBuffer(metadata));
  const bodyBytes = Number(message.bodyLength());
  if (!(bodyBytes >= 0)) throw new Error('a body of negative length');
  if (message.headerType() === MESSAGE_SCHEMA) {
    const schema = message.header(new Schema()) as InstanceType<Library['Schema']>;
    let version: string | undefined;
    for (let i = Math.min(schema.customMetadataLength(), 64) - 1; i >= 0; i--) {
      const pair = schema.customMetadata(i);
      if (pair?.key() === MARK) version = pair.value() ?? '';
    }
    return { kind: 'schema', bodyBytes, version };
  }
  if (message.headerType() !== MESSAGE_RECORD_BATCH) throw new Error('a message of another kind');
  const batch = message.header(new RecordBatch()) as InstanceType<Library['RecordBatch']>;
  if (batch.length() !== 1n || batch.buffersLength() !== BUFFER_COUNT) throw new Error('a batch of another shape');
  if (batch.compression() !== null) throw new Error('compressed buffers');
  const buffers = new Float64Array(BUFFER_COUNT * 2);
  for (let i = 0; i < BUFFER_COUNT; i++) {
    const buffer = batch.buffers(i);
    buffers[2 * i] = Number(buffer?.offset());
    buffers[2 * i + 1] = Number(buffer?.length());
  }
  return { kind: 'block', bodyBytes, buffers };
}

/**
 * The columns of a block, as views of its body, which begins at a multiple of 8 of its buffer.
 * @throws Error for buffers that lie outside the body.
 */
export function decodeBlock(body: Uint8Array, buffers: Float64Array): Block {
  const block: Partial<Record<keyof Block, unknown>> = {};
  let at = 0;
  for (const { name, shape, elements } of COLUMNS) {
    at += BUFFERS[shape];
    const offset = buffers[2 * at - 2];
    const bytes = buffers[2 * at - 1];
    const length = bytes / elements.BYTES_PER_ELEMENT;
    if (!(offset >= 0 && offset + bytes <= body.length) || !Number.isInteger(length)) throw new Error('a column outside its block');
    if (shape === 'value' && length !== 1) throw new Error('a value of another length');
    block[name] = new elements(body.buffer, body.byteOffset + offset, length);
  }
  return block as unknown as Block;
}

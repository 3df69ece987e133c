/**
 * Arrow IPC messages: the schema and the blocks of a compact trace (Apache Arrow, format/Message.fbs and format/Schema.fbs).
 * Invariant: messages and buffers lie at multiples of 8 bytes from the file's start, so that columns are views of the bytes read.
 * Differs: only Arrow's generated accessors are used. The whole library takes 0.4 s to load, they take 0.05 s, and that only when a
 * compact trace is read or written.
 */
import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';
import type { Builder } from 'flatbuffers';
import { COLUMNS, MARK, VERSION, type Block, type Column, type ElementType } from './columns.ts';

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

/** CRC-32 of what came before and more bytes. zlib's own begins anew where there are none. */
const sumOf = (bytes: Uint8Array, before: number) => (bytes.length === 0 ? before : crc32(bytes, before));

const padded = (bytes: number) => (bytes + 7) & ~7;

/** The message that a stream begins with: its columns and the format's name. */
export function encodeSchema(columns: readonly Column[]): Uint8Array {
  const { flatbuffers, Schema, KeyValue } = library();
  const builder = new flatbuffers.Builder(2048);
  const mark = KeyValue.createKeyValue(builder, builder.createString(MARK), builder.createString(VERSION));
  const metadata = Schema.createCustomMetadataVector(builder, [mark]);
  const fields = Schema.createFieldsVector(builder, encodeFields(builder, columns));
  const features = Schema.createFeaturesVector(builder, []);
  return framed(builder, MESSAGE_SCHEMA, Schema.createSchema(builder, 0, fields, metadata, features), 0);
}

/** The fields of the columns. Types that several have stand in the bytes once, as do names. */
function encodeFields(builder: Builder, columns: readonly Column[]): number[] {
  const { Int, FloatingPoint, List, Binary, Utf8, Field } = library();
  const written = new Map<string | ElementType, number>();
  const once = (type: string | ElementType, write: () => number): number => {
    const at = written.get(type) ?? write();
    written.set(type, at);
    return at;
  };
  const noChildren = Field.createChildrenVector(builder, []);
  const field = (name: string, kind: number, type: number, children = noChildren): number => {
    const nameAt = builder.createSharedString(name);
    Field.startField(builder);
    Field.addName(builder, nameAt);
    Field.addNullable(builder, false);
    Field.addTypeType(builder, kind);
    Field.addType(builder, type);
    Field.addChildren(builder, children);
    return Field.endField(builder);
  };
  const numbers = (name: string, elements: ElementType): number => {
    if (elements === Float64Array) {
      const type = once(elements, () => FloatingPoint.createFloatingPoint(builder, PRECISION_DOUBLE));
      return field(name, TYPE_FLOATING_POINT, type);
    }
    const type = once(elements, () => Int.createInt(builder, elements.BYTES_PER_ELEMENT * 8, false));
    return field(name, TYPE_INT, type);
  };
  return columns.map(({ name, shape, elements }) => {
    switch (shape) {
      case 'text':
        return field(
          name,
          TYPE_UTF8,
          once(shape, () => Utf8.createUtf8(builder)),
        );
      case 'bytes':
        return field(
          name,
          TYPE_BINARY,
          once(shape, () => Binary.createBinary(builder)),
        );
      case 'value':
        return numbers(name, elements);
      case 'list': {
        const type = once(shape, () => List.createList(builder));
        const items = once(`list of ${elements.name}`, () => Field.createChildrenVector(builder, [numbers('item', elements)]));
        return field(name, TYPE_LIST, type, items);
      }
    }
  });
}

/** The message of one block in a file of these columns, which hold all that the block has but for its sum. */
export function encodeBlock(block: Block, columns: readonly Column[]): Uint8Array {
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
  let sum = 0;
  for (const { name, shape, elements } of columns) {
    const given = name === 'sum' ? Uint32Array.of(sum) : block[name];
    const column = given.constructor === elements ? given : elements.from(given);
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
    nodes.push(1);
    add(none);
    if (shape !== 'value') add(new Uint8Array(Int32Array.of(0, column.length).buffer));
    if (shape === 'list') {
      nodes.push(column.length);
      add(none);
    }
    add(bytes);
    sum = sumOf(bytes, sum);
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
  | { readonly kind: 'schema'; readonly bodyBytes: number; readonly version: string | undefined; readonly columns: readonly Column[] }
  | { readonly kind: 'block'; readonly bodyBytes: number; readonly buffers: Float64Array };

/**
 * Reads a message's metadata.
 * @param columns those of the file; none before its schema
 * @throws Error for what is none of this format: untrusted bytes may make the accessors throw anything.
 */
export function decodeMessage(metadata: Uint8Array, columns: readonly Column[]): Message {
  const { flatbuffers, Message, Schema, RecordBatch } = library();
  const message = Message.getRootAsMessage(new flatbuffers.ByteBuffer(metadata));
  const bodyBytes = Number(message.bodyLength());
  if (!(bodyBytes >= 0)) throw new Error('a body of negative length');
  if (message.headerType() === MESSAGE_SCHEMA) {
    const schema = message.header(new Schema()) as InstanceType<Library['Schema']>;
    const version = versionOf(schema);
    return { kind: 'schema', bodyBytes, version, columns: version === VERSION ? decodeFields(schema) : [] };
  }
  if (message.headerType() !== MESSAGE_RECORD_BATCH) throw new Error('a message of another kind');
  const batch = message.header(new RecordBatch()) as InstanceType<Library['RecordBatch']>;
  const count = columns.reduce((sum, { shape }) => sum + BUFFERS[shape], 0);
  if (batch.length() !== 1n || batch.buffersLength() !== count) throw new Error('a batch of another shape');
  if (batch.compression() !== null) throw new Error('compressed buffers');
  const buffers = new Float64Array(count * 2);
  for (let i = 0; i < count; i++) {
    const buffer = batch.buffers(i);
    buffers[2 * i] = Number(buffer?.offset());
    buffers[2 * i + 1] = Number(buffer?.length());
  }
  return { kind: 'block', bodyBytes, buffers };
}

/** The version of the format that a schema names; undefined if it is another's. */
function versionOf(schema: InstanceType<Library['Schema']>): string | undefined {
  for (let i = 0; i < Math.min(schema.customMetadataLength(), 64); i++) {
    const pair = schema.customMetadata(i);
    if (pair?.key() === MARK) return pair.value() ?? '';
  }
  return undefined;
}

/** The columns that a schema names, some of COLUMNS in their order. @throws Error for any other. */
function decodeFields(schema: InstanceType<Library['Schema']>): Column[] {
  const columns: Column[] = [];
  let at = 0;
  for (const column of COLUMNS) {
    const field = at < schema.fieldsLength() ? schema.fields(at) : null;
    if (field === null || field.name() !== column.name) continue;
    at++;
    columns.push(column.shape === 'list' ? { ...column, elements: decodeElements(field, column) } : column);
  }
  if (at !== schema.fieldsLength()) throw new Error('a column that is not known');
  return columns;
}

/** The elements of a list's field: those of its column, or bytes. @throws Error for any other. */
function decodeElements(field: InstanceType<Library['Field']>, { elements }: Column): ElementType {
  const bits = (field.children(0)?.type(new (library().Int)()) as InstanceType<Library['Int']> | null | undefined)?.bitWidth();
  if (bits === 8) return Uint8Array;
  if (bits !== elements.BYTES_PER_ELEMENT * 8) throw new Error('a column of another type');
  return elements;
}

/**
 * The columns of a block, as views of its body, which begins at a multiple of 8 of its buffer. Those that the file does not have are empty or 0.
 * @throws Error for buffers that lie outside the body, and for others than those that were written.
 */
export function decodeBlock(body: Uint8Array, buffers: Float64Array, columns: readonly Column[]): Block {
  const block: Partial<Record<keyof Block, unknown>> = {};
  for (const { name, shape, elements } of COLUMNS) block[name] = elements.from(shape === 'value' ? [0] : []);
  let at = 0;
  let sum = 0;
  for (const { name, shape, elements } of columns) {
    at += BUFFERS[shape];
    const offset = buffers[2 * at - 2];
    const bytes = buffers[2 * at - 1];
    const length = bytes / elements.BYTES_PER_ELEMENT;
    if (!(offset >= 0 && offset + bytes <= body.length) || !Number.isInteger(length)) throw new Error('a column outside its block');
    if (shape === 'value' && length !== 1) throw new Error('a value of another length');
    const column = new elements(body.buffer, body.byteOffset + offset, length);
    if (name === 'sum' && column[0] !== sum) throw new Error('its checksum is wrong');
    sum = sumOf(body.subarray(offset, offset + bytes), sum);
    block[name] = column;
  }
  return block as unknown as Block;
}

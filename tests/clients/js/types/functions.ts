// The same for functions: compiled, not run.
import { createClient } from '@supabase/supabase-js'
import type { CompositeTypes, Database, Tables } from './database.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function is<_ extends true>(): void

type Functions = Database['public']['Functions']

is<Equal<Functions['add'], { Args: { a: number; b?: number }; Returns: number }>>()
is<Equal<Functions['nothing'], { Args: never; Returns: undefined }>>()
is<Equal<Functions['both']['Returns'], { low: number; high: number }>>()
is<Equal<Functions['listed']['Returns'], { n: number; word: string }[]>>()
is<Equal<Functions['twice'], { Args: { n: number }; Returns: number } | { Args: { word: string }; Returns: string }>>()
is<Equal<Functions['books_on']['SetofOptions'], { from: 'shelves'; to: 'books'; isOneToOne: true; isSetofReturn: true }>>()
is<Equal<CompositeTypes<'span'>, { low: number | null; high: number | null }>>()
is<Equal<Functions['span']['Returns'], CompositeTypes<'span'>>>()
// A function of a row is a column of it.
is<Equal<Tables<'shelves'>['label'], string | null>>()
// Nobody calls a trigger's.
is<Equal<'touch' extends keyof Functions ? true : false, false>>()

const db = createClient<Database>('http://127.0.0.1', 'key')

export async function call() {
  const sum = await db.rpc('add', { a: 1 })
  is<Equal<typeof sum.data, number | null>>()
  const rows = await db.rpc('listed')
  is<Equal<typeof rows.data, { n: number; word: string }[] | null>>()
  const text = await db.rpc('twice', { word: 'x' })
  is<Equal<typeof text.data, string | null>>()
  // @ts-expect-error an argument without default
  await db.rpc('add', { b: 1 })
}

// An application on generated types: it is compiled, not run. Each `is` is one of the compiler's judgements.
import { createClient } from '@supabase/supabase-js'
import type { CompositeTypes, Database, Enums, Json, Tables, TablesInsert, TablesUpdate } from './database.ts'
import { Constants } from './database.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function is<_ extends true>(): void

type Mood = 'sad' | 'ok' | 'very happy'

is<Equal<Enums<'mood'>, Mood>>()
is<Equal<(typeof Constants.public.Enums.mood)[2], 'very happy'>>()
// The function that is a column stands in functions.ts.
is<Equal<Omit<Tables<'shelves'>, 'label'>, {
  area: number | null
  id: number
  meta: Json | null
  mood: Mood
  moods: Mood[] | null
  'odd name': string
  seen: string
  size: number | null
}>>()
is<Equal<Tables<{ schema: 'public' }, 'books'>, { isbn: string; shelf: number; tags: string[] }>>()
is<Equal<Tables<'tagged_books'>, { isbn: string | null; shelf: number | null }>>()
is<Equal<TablesInsert<'books'>, { isbn: string; shelf: number; tags?: string[] }>>()
is<Equal<TablesUpdate<'books'>, { isbn?: string; shelf?: number; tags?: string[] }>>()
is<Equal<CompositeTypes<never>, never>>()

const db = createClient<Database>('http://127.0.0.1', 'key')

export async function ask() {
  const shelves = await db.from('shelves').select('id, mood, books(isbn, labels(text))').single()
  is<Equal<typeof shelves.data, { id: number; mood: Mood; books: { isbn: string; labels: { text: string | null } | null }[] } | null>>()
  const books = await db.from('books').select('*, shelf:shelves("odd name")')
  is<Equal<NonNullable<typeof books.data>[number]['tags'], string[]>>()
  const tagged = await db.from('tagged_books').select('isbn, shelves(id)')
  is<Equal<typeof tagged.data, { isbn: string | null; shelves: { id: number } | null }[] | null>>()

  await db.from('books').insert({ isbn: '1', shelf: 2 })
  // @ts-expect-error a column without default
  await db.from('books').insert({ isbn: '1' })
  // @ts-expect-error always made by the database
  await db.from('shelves').insert({ id: 1, 'odd name': 'x' })
  // @ts-expect-error computed from others
  await db.from('shelves').update({ area: 1 })
  // @ts-expect-error no label of the enum
  await db.from('shelves').update({ mood: 'angry' })
  // @ts-expect-error no such table
  await db.from('nothing').select()
}

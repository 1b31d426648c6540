import { launch } from '../cli/launch.js'

launch(import('../sources/aff4-cat.js'))

import { launch } from '../cli/launch.js'

launch(import('../sources/read-process.js'))
